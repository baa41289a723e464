import { Connection } from 'rabbitmq-client'
import { callers, publishSingly } from '../callers.ts'
import type { Contender, Prepare, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { prefetch, quorumQueue, unconfirmed } from './queue.ts'

/** Its publisher with confirms and its consumer, which acknowledges when the handler's promise resolves. */
export const contender: Contender = {
  name: withVersion('rabbitmq-client'),
  measures: { publish: publishWith(unconfirmed), 'publish-singles': publishWith(callers), consume },
}

function publishWith(callersAtOnce: number): Prepare {
  return async work => {
    const connection = await open(work)
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 2 })
    const publish = (event: Payload): Promise<void> => {
      const headers = attributes(event, work.topic, 'cloudEvents:')
      const envelope = { routingKey: work.topic, durable: true, mandatory: true, messageId: event.id, headers }
      return publisher.send(envelope, event)
    }
    return {
      run: () => publishSingly(work.messages, publish, callersAtOnce),
      async close() {
        await publisher.close()
        await connection.close()
      },
    }
  }
}

async function consume(work: Work): Promise<Prepared> {
  const connection = await open(work)
  const { handle, all } = createTally(work.messages)
  return {
    async run() {
      const options = { queue: work.topic, queueOptions: quorumQueue, qos: { prefetchCount: prefetch } }
      const consumer = connection.createConsumer(options, message => handle(message.body as Payload))
      await all
      await consumer.close()
    },
    close: () => connection.close(),
  }
}

async function open({ url, topic }: Work): Promise<Connection> {
  const connection = new Connection(url)
  await connection.queueDeclare({ queue: topic, ...quorumQueue })
  return connection
}
