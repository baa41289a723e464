import { startRabbitMq } from '@mekong/stack'
import type { Suite } from '../suite.ts'

export const suite: Suite = {
  broker: 'RabbitMQ',
  version: '3.10.8 of Debian, or 4.x in a container',
  start: () => startRabbitMq(),
  measures: [
    {
      measure: 'publish',
      title: 'Publish, 1 KB, confirmed, durable quorum queues, 500 unconfirmed',
      messages: 30_000,
      contenders: [
        { module: 'rabbitmq/raw-amqplib', against: 'rabbitmq/raw-amqplib' },
        { module: 'rabbitmq/mekong', against: 'rabbitmq/raw-amqplib', target: 0.95 },
      ],
    },
    {
      measure: 'publish-singles',
      title: 'Publish from 100 callers, each awaiting its event',
      messages: 20_000,
      contenders: [
        { module: 'rabbitmq/raw-amqplib', against: 'rabbitmq/raw-amqplib' },
        { module: 'rabbitmq/mekong', against: 'rabbitmq/raw-amqplib', target: 0.95 },
      ],
    },
    {
      measure: 'consume',
      title: 'Consume, acknowledging each',
      messages: 30_000,
      contenders: [
        { module: 'rabbitmq/raw-amqplib', against: 'rabbitmq/raw-amqplib' },
        { module: 'rabbitmq/mekong', against: 'rabbitmq/raw-amqplib', target: 1.2 },
      ],
    },
  ],
}
