import { startRabbitMq } from '@mekong/stack'
import type { Suite, SuiteContender } from '../suite.ts'
import { rabbitMqBroker } from './rabbitmq-broker.ts'

const against = 'rabbitmq/raw-amqplib'
const byKey = { module: 'rabbitmq/raw-amqplib-by-key', against }
const layout = 'a topic exchange spreads the keys over the 8 quorum queues of a group; the others have one queue'
const nestjs = 'no window of its own: so many `emit` calls are awaited at once'
const unsafe = 'no publisher confirms, not persistent, classic queue: the time runs until the broker holds everything'

const publishing: readonly SuiteContender[] = [
  { module: against, against },
  { module: 'rabbitmq/mekong', against, target: 0.95, note: layout },
  { ...byKey, note: layout },
  { module: 'rabbitmq/rabbitmq-client', against },
  { module: 'rabbitmq/nestjs', against, note: nestjs },
  { module: 'rabbitmq/node-ts-bus', against, note: unsafe },
]

export const suite: Suite = {
  name: 'rabbitmq',
  async start() {
    const server = await startRabbitMq()
    return rabbitMqBroker(server, () => server.stop())
  },
  measures: [
    {
      measure: 'publish',
      title: 'Publish 1 KB, confirmed, durable quorum queues, 500 unconfirmed',
      messages: 30_000,
      contenders: publishing,
    },
    {
      measure: 'publish-singles',
      title: 'Publish 1 KB from 100 callers, each awaiting the confirmation of its event',
      messages: 30_000,
      contenders: publishing,
    },
    {
      measure: 'consume',
      title: 'Consume 1 KB, each acknowledged when its handler is done',
      messages: 30_000,
      contenders: [
        { module: against, against, note: 'one queue, one channel, prefetch 100, an acknowledgement for each' },
        {
          module: 'rabbitmq/mekong',
          against,
          target: 1.2,
          note: 'its default layout: 8 queues, 16 handlers at once in order by key, acknowledgements grouped, duplicates removed',
        },
        byKey,
        { module: 'rabbitmq/rabbitmq-client', against },
        { module: 'rabbitmq/nestjs', against },
        {
          module: 'rabbitmq/node-ts-bus',
          against,
          messages: 100,
          note: '100 messages, taken one by one (`basic.get`), 100 handlers at once, classic queue',
        },
      ],
    },
  ],
}
