import { type Admin, Kafka, logLevel } from 'kafkajs'
import type { SuiteBroker } from '../suite.ts'

const pollMs = 50
const longestPollsMs = 20_000

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
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: false })
      await untilItHasLeaders(admin, topic)
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

/** The node that is asked may not know the topic yet. */
async function untilItHasLeaders(admin: Admin, topic: string): Promise<void> {
  const deadline = performance.now() + longestPollsMs
  for (;;) {
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => ({ topics: [] }))
    if (metadata.topics.some(({ partitions }) => partitions.every(({ leader }) => leader >= 0))) return
    if (performance.now() > deadline) throw new Error(`${topic} had no leaders within ${longestPollsMs} ms`)
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}
