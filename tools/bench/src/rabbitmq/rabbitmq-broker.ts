import { requestManagement, type SharedRabbitMq } from '@mekong/stack'
import { type Channel, connect } from 'amqplib'
import type { Work } from '../contender.ts'
import type { SuiteBroker } from '../suite.ts'
import { prefetch } from './queue.ts'

const pollMs = 50
const longestPollsMs = 20_000

/** A RabbitMQ and what its queues hold. `stop` ends what was started for it. */
export async function rabbitMqBroker(
  { url, managementUrl }: SharedRabbitMq,
  stop: () => Promise<void>,
): Promise<SuiteBroker> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const { rabbitmq_version: version } = (await requestManagement(managementUrl, '/api/overview')) as {
    readonly rabbitmq_version: string
  }
  /** Names are there at once, what is in them some seconds later. */
  const names = async (kind: 'queues' | 'exchanges', { topic }: Work): Promise<readonly string[]> => {
    const all = (await requestManagement(managementUrl, `/api/${kind}?columns=name`)) as readonly { name: string }[]
    return all.map(({ name }) => name).filter(name => name.includes(topic))
  }
  const count = async (work: Work): Promise<number> => {
    let messages = 0
    for (const queue of await names('queues', work)) messages += await settledCount(channel, queue)
    return messages
  }
  return {
    url,
    name: `RabbitMQ ${version}`,
    maxUnsettled: prefetch,
    stored: count,
    // What is acknowledged is gone.
    left: count,
    async drop(work) {
      for (const queue of await names('queues', work)) await channel.deleteQueue(queue)
      for (const exchange of await names('exchanges', work)) await channel.deleteExchange(exchange)
    },
    async [Symbol.asyncDispose]() {
      await connection.close()
      await stop()
    },
  }
}

/** Counts when the consumers are gone and what they had in hand is back, which the count of a quorum queue follows. */
async function settledCount(channel: Channel, queue: string): Promise<number> {
  const deadline = performance.now() + longestPollsMs
  let last = -1
  while (performance.now() < deadline) {
    const { messageCount, consumerCount } = await channel.checkQueue(queue)
    if (consumerCount === 0 && messageCount === last) return messageCount
    last = consumerCount === 0 ? messageCount : -1
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
  throw new Error(`what ${queue} holds did not come to rest within ${longestPollsMs} ms`)
}
