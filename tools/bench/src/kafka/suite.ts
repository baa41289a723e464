import { startKafka } from '@mekong/stack'
import type { Suite } from '../suite.ts'

export const suite: Suite = {
  broker: 'Kafka',
  version: '4.3.1',
  start: () => startKafka(),
  measures: [
    {
      measure: 'publish',
      title: 'Publish in batches, 1 KB, acks of all replicas',
      messages: 60_000,
      contenders: [{ module: 'kafka/raw-kafkajs', against: 'kafka/raw-kafkajs' }],
    },
    {
      measure: 'publish-singles',
      title: 'Publish from 100 callers, each awaiting its event',
      messages: 30_000,
      contenders: [{ module: 'kafka/raw-kafkajs', against: 'kafka/raw-kafkajs' }],
    },
    {
      measure: 'consume',
      title: 'Consume with lanes, acknowledging each',
      messages: 100_000,
      contenders: [{ module: 'kafka/raw-kafkajs', against: 'kafka/raw-kafkajs' }],
    },
  ],
}
