import { Kafka, logLevel } from 'kafkajs'
import type { SuiteBroker } from '../suite.ts'

/** `host:port` of each broker of `kafka://host:port,host:port`. */
export function brokersOf(url: string): string[] {
  return url.replace(/^kafka:\/\//, '').split(',')
}

/** A Kafka and what its topics hold. `stop` ends what was started for it. */
export async function kafkaBroker(url: string, name: string, stop: () => Promise<void>): Promise<SuiteBroker> {
  const admin = new Kafka({ brokers: brokersOf(url), clientId: 'bench-admin', logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  return {
    url,
    name,
    maxUnsettled: 0,
    async declare({ topic, partitions }) {
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
    },
    async stored({ topic }) {
      const ends = await admin.fetchTopicOffsets(topic)
      return ends.reduce((stored, { low, high }) => stored + Number(high) - Number(low), 0)
    },
    async left({ topic, group }) {
      const ends = await admin.fetchTopicOffsets(topic)
      const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      return ends.reduce((left, { partition, low, high }) => {
        const offset = committed?.partitions.find(other => other.partition === partition)?.offset ?? '-1'
        return left + Number(high) - Math.max(Number(low), Number(offset))
      }, 0)
    },
    async drop({ topic }) {
      await admin.deleteTopics({ topics: [topic] })
    },
    async [Symbol.asyncDispose]() {
      await admin.disconnect()
      await stop()
    },
  }
}
