import type { Channel } from 'amqplib'
import type { Payload } from '../payload.ts'
import { quorumQueue } from './queue.ts'

export interface Route {
  readonly exchange: string
  readonly routingKey: string
}

/** Where the events of a topic wait. */
export interface Layout {
  /** Resolves to the queues. */
  declare(channel: Channel, topic: string): Promise<readonly string[]>
  routeOf(topic: string, event: Payload): Route
}

/** One queue, which the default exchange puts into. */
export const oneQueue: Layout = {
  async declare(channel, topic) {
    await channel.assertQueue(topic, quorumQueue)
    return [topic]
  },
  routeOf: topic => ({ exchange: '', routingKey: topic }),
}

const queueCount = 8

/** As Mekong keeps order by key: a topic exchange, and a group's 8 queues with a share of the keys each. */
export const queuesByKey: Layout = {
  async declare(channel, topic) {
    await channel.assertExchange(topic, 'topic')
    const queues = Array.from({ length: queueCount }, (_, share) => `${topic}.${share}`)
    for (const queue of queues) {
      await channel.assertQueue(queue, quorumQueue)
      await channel.bindQueue(queue, topic, queue)
    }
    return queues
  },
  routeOf: (topic, { total }) => ({ exchange: topic, routingKey: `${topic}.${total % queueCount}` }),
}
