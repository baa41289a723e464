import { ClientRMQ, type RmqContext, RmqRecordBuilder, type RmqOptions, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'
import { callers, publishSingly } from '../callers.ts'
import type { Contender, Prepare, Prepared, Work } from '../contender.ts'
import { createMicroservice } from '../nestjs-microservice.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { prefetch, quorumQueue, unconfirmed } from './queue.ts'

/** A ClientProxy that emits events, and a controller whose handler acknowledges them by the context. */
export const contender: Contender = {
  name: withVersion('NestJS', '@nestjs/microservices'),
  measures: { publish: publishWith(unconfirmed), 'publish-singles': publishWith(callers), consume },
}

function publishWith(callersAtOnce: number): Prepare {
  return async work => {
    const client = new ClientRMQ(optionsOf(work, { persistent: true }).options ?? {})
    await client.connect()
    const publish = (event: Payload): Promise<void> => {
      const headers = attributes(event, work.topic, 'cloudEvents:')
      const record = new RmqRecordBuilder(event).setOptions({ messageId: event.id, headers }).build()
      return lastValueFrom(client.emit<void>(work.topic, record), { defaultValue: undefined })
    }
    return { run: () => publishSingly(work.messages, publish, callersAtOnce), close: () => client.close() }
  }
}

async function consume(work: Work): Promise<Prepared> {
  const { handle, all } = createTally(work.messages)
  const options = optionsOf(work, { noAck: false, prefetchCount: prefetch })
  const app = await createMicroservice(options, work.topic, async (event: Payload, context: RmqContext) => {
    await handle(event)
    const channel = context.getChannelRef() as { ack(message: object): void }
    channel.ack(context.getMessage())
  })
  return {
    async run() {
      await app.listen()
      await all
      await app.close()
    },
    close: () => Promise.resolve(),
  }
}

function optionsOf({ url, topic }: Work, options: Partial<NonNullable<RmqOptions['options']>>): RmqOptions {
  return { transport: Transport.RMQ, options: { urls: [url], queue: topic, queueOptions: quorumQueue, ...options } }
}
