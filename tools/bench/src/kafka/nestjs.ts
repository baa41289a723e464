import { ClientKafka, type KafkaOptions, Transport } from '@nestjs/microservices'
import { Partitioners } from 'kafkajs'
import { lastValueFrom } from 'rxjs'
import { publishPortions, publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { createMicroservice } from '../nestjs-microservice.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { brokersOf } from './kafka-broker.ts'

/** A ClientKafka that emits events and batches of them, and a controller that handles them. */
export const contender: Contender = {
  name: withVersion('NestJS', '@nestjs/microservices'),
  measures: {
    async publish({ url, topic, messages }) {
      const { client, close } = await openClient(url)
      const emit = (events: readonly Payload[]) => {
        const batch = { messages: events.map(event => messageOf(event, topic)) }
        return lastValueFrom(client.emitBatch<unknown>(topic, batch))
      }
      return { close, run: () => publishPortions(messages, emit) }
    },
    async 'publish-singles'({ url, topic, messages }) {
      const { client, close } = await openClient(url)
      const emit = (event: Payload) => lastValueFrom(client.emit<unknown>(topic, messageOf(event, topic)))
      return { close, run: () => publishSingly(messages, emit) }
    },
    consume,
  },
}

/** Commits by kafkajs' own rules, after what was handled. */
async function consume({ url, topic, group, messages }: Work): Promise<Prepared> {
  const { handle, all } = createTally(messages)
  const options: KafkaOptions = {
    transport: Transport.KAFKA,
    options: {
      client: { brokers: brokersOf(url), clientId: 'bench' },
      consumer: { groupId: group },
      postfixId: '',
      subscribe: { fromBeginning: true },
    },
  }
  const app = await createMicroservice(options, topic, handle)
  return {
    async run() {
      await app.listen()
      await all
    },
    close: () => app.close(),
  }
}

interface NestMessage {
  readonly key: string
  readonly value: Payload
  readonly headers: Record<string, string>
}

function messageOf(event: Payload, type: string): NestMessage {
  const headers = { 'content-type': 'application/json', ...attributes(event, type, 'ce_') }
  return { key: event.key, value: event, headers }
}

async function openClient(url: string): Promise<{ readonly client: ClientKafka; readonly close: () => Promise<void> }> {
  const client = new ClientKafka({
    client: { brokers: brokersOf(url), clientId: 'bench' },
    producer: { createPartitioner: Partitioners.DefaultPartitioner },
    producerOnlyMode: true,
    send: { acks: -1 },
  })
  await client.connect()
  return { client, close: () => client.close() }
}
