import {
  Consumer,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { publishPortions, publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { brokersOf } from './kafka-broker.ts'

type TextProducer = Producer<string, string, string, string>
const commitEachMs = 500

/** @platformatic/kafka used well: `send` in large portions, its stream with commits of our own after handling. */
export const contender: Contender = {
  name: withVersion('@platformatic/kafka'),
  measures: {
    async publish({ url, topic, messages }) {
      const producer = createProducer(url)
      return {
        run: () => publishPortions(messages, events => send(producer, topic, events)),
        close: () => producer.close(),
      }
    },
    async 'publish-singles'({ url, topic, messages }) {
      const producer = createProducer(url)
      return {
        run: () => publishSingly(messages, event => send(producer, topic, [event])),
        close: () => producer.close(),
      }
    },
    consume,
  },
}

async function consume({ url, topic, group, messages }: Work): Promise<Prepared> {
  const consumer = new Consumer({
    bootstrapBrokers: brokersOf(url),
    clientId: 'bench',
    groupId: group,
    deserializers: stringDeserializers,
  })
  const tally = createTally(messages)
  const offsets = new Map<number, bigint>()
  const commit = (): Promise<void> => {
    const handled = Array.from(offsets, ([partition, offset]) => ({
      topic,
      partition,
      offset: offset + 1n,
      leaderEpoch: 0,
    }))
    offsets.clear()
    return consumer.commit({ offsets: handled })
  }
  return {
    async run() {
      const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
      let committedAt = performance.now()
      for await (const { value, partition, offset } of stream) {
        await tally.handle(JSON.parse(value) as Payload)
        offsets.set(partition, offset)
        if (tally.isComplete) break
        if (performance.now() - committedAt < commitEachMs) continue
        await commit()
        committedAt = performance.now()
      }
      await commit()
      await tally.all
    },
    close: () => consumer.close(true),
  }
}

function createProducer(url: string): TextProducer {
  return new Producer({ bootstrapBrokers: brokersOf(url), clientId: 'bench', serializers: stringSerializers })
}

function send(producer: TextProducer, topic: string, events: readonly Payload[]): Promise<unknown> {
  const messages = events.map(event => ({
    topic,
    key: event.key,
    value: JSON.stringify(event),
    headers: { 'content-type': 'application/json', ...attributes(event, topic, 'ce_') },
  }))
  return producer.send({ messages, acks: ProduceAcks.ALL })
}
