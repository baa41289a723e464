import { type Consumer, Kafka, logLevel, type Message, Partitioners, type Producer } from 'kafkajs'
import { publishPortions, publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally, type Tally } from '../tally.ts'
import { brokersOf } from './kafka-broker.ts'

/** kafkajs used well: sendBatch in large portions, eachBatch with one commit a batch. */
export const contender: Contender = {
  name: withVersion('kafkajs'),
  measures: {
    async publish({ url, topic, messages }) {
      const { producer, close } = await openProducer(url)
      const send = (events: readonly Payload[]) => {
        const records = events.map(event => recordOf(event, topic))
        return producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: records }] })
      }
      return { close, run: () => publishPortions(messages, send) }
    },
    async 'publish-singles'({ url, topic, messages }) {
      const { producer, close } = await openProducer(url)
      const send = (event: Payload) => producer.send({ topic, acks: -1, messages: [recordOf(event, topic)] })
      return { close, run: () => publishSingly(messages, send) }
    },
    consume,
  },
}

function recordOf(event: Payload, type: string): Message {
  const headers = { 'content-type': 'application/json', ...attributes(event, type, 'ce_') }
  return { key: event.key, value: JSON.stringify(event), headers }
}

async function consume({ url, topic, group, messages }: Work): Promise<Prepared> {
  const consumer = createKafka(url).consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const tally = createTally(messages)
  return { run: () => handleAll(consumer, tally), close: () => consumer.disconnect() }
}

/** Resolves when the last batch is handled and its offset committed. */
async function handleAll(consumer: Consumer, tally: Tally): Promise<void> {
  const committed = Promise.withResolvers<void>()
  tally.all.catch(committed.reject)
  await consumer.run({
    autoCommit: false,
    async eachBatch(payload) {
      const { batch } = payload
      for (const { value, offset } of batch.messages) {
        await tally.handle(JSON.parse(String(value)) as Payload)
        payload.resolveOffset(offset)
      }
      const { topics } = payload.uncommittedOffsets()
      await consumer.commitOffsets(
        topics.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, ...partition }))),
      )
      if (tally.isComplete) committed.resolve()
    },
  })
  await committed.promise
}

async function openProducer(
  url: string,
): Promise<{ readonly producer: Producer; readonly close: () => Promise<void> }> {
  const producer = createKafka(url).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  return { producer, close: () => producer.disconnect() }
}

function createKafka(url: string): Kafka {
  return new Kafka({ brokers: brokersOf(url), clientId: 'bench', logLevel: logLevel.ERROR })
}
