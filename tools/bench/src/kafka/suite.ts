import { startKafka } from '@mekong/stack'
import type { Suite, SuiteContender } from '../suite.ts'
import { kafkaBroker } from './kafka-broker.ts'

const kafkajs = 'kafka/raw-kafkajs'
const platformatic = 'kafka/raw-platformatic'

const single = 'takes one event a call: 1,000 are awaited at once'
const coalesced = 'what is published at once travels together'

const singles = (module: string, against: string): SuiteContender => ({ module, against })

export const suite: Suite = {
  name: 'kafka',
  async start() {
    const server = await startKafka()
    return kafkaBroker(server.url, 'Kafka 4.3.1, one node', () => server.stop())
  },
  measures: [
    {
      measure: 'publish',
      title: 'Publish 1 KB in portions of 500, two under way, acknowledged by all replicas',
      messages: 100_000,
      contenders: [
        { module: kafkajs, against: kafkajs },
        { module: 'kafka/mekong', against: kafkajs, target: 0.9 },
        { module: 'kafka/nestjs', against: kafkajs },
        { module: platformatic, against: kafkajs },
        { module: 'kafka/mekong-platformatic', against: platformatic, target: 0.9 },
        { module: 'kafka/message-queue-toolkit', against: platformatic, messages: 15_000, note: single },
      ],
    },
    {
      measure: 'publish-singles',
      title: 'Publish 1 KB from 100 callers, each awaiting the acknowledgement of its event',
      messages: 24_000,
      contenders: [
        singles(kafkajs, kafkajs),
        { module: 'kafka/mekong', against: kafkajs, target: 5, note: coalesced },
        singles('kafka/nestjs', kafkajs),
        singles(platformatic, kafkajs),
        { module: 'kafka/mekong-platformatic', against: kafkajs, target: 5, note: coalesced },
        singles('kafka/message-queue-toolkit', platformatic),
      ],
    },
    {
      measure: 'consume',
      title: 'Consume 1 KB from 6 partitions, committed when handled',
      messages: 120_000,
      filledBy: kafkajs,
      contenders: [
        { module: kafkajs, against: kafkajs, note: '`eachBatch`, one commit a batch' },
        {
          module: 'kafka/mekong',
          against: kafkajs,
          target: 0.9,
          note: 'lanes: 16 handlers at once in order by key, duplicates removed',
        },
        { module: 'kafka/nestjs', against: kafkajs, note: '`eachMessage`' },
        { module: platformatic, against: kafkajs, note: 'its stream, one commit each 500 ms' },
        { module: 'kafka/mekong-platformatic', against: platformatic, target: 0.9 },
        {
          module: 'kafka/message-queue-toolkit',
          against: platformatic,
          note: 'its batches of 500, each committed, one handler for each; its mode for single messages commits each of them',
        },
      ],
    },
  ],
}
