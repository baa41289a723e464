import { type Admin, Kafka, logLevel, type SASLOptions } from 'kafkajs'
import { onTestFinished } from 'vitest'

export interface KafkaClient {
  readonly admin: Admin
  /** Resolves when the broker has acknowledged. Fails at the first attempt. */
  produce(topic: string, values: readonly string[]): Promise<void>
  /** Everything in the topic, by partition. */
  count(topic: string): Promise<number>
}

export interface KafkaClientOptions {
  readonly ca?: string | undefined
  readonly sasl?: SASLOptions
  readonly timeoutMs?: number
}

/** A client until the end of the test. */
export async function openKafka(url: string, options: KafkaClientOptions = {}): Promise<KafkaClient> {
  const { ca, sasl, timeoutMs = 5_000 } = options
  const kafka = new Kafka({
    brokers: url.replace(/^[^:]+:\/\/([^@]*@)?/, '').split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 50, retries: 10 },
    ...(ca === undefined ? {} : { ssl: { ca: [ca] } }),
    ...(sasl === undefined ? {} : { sasl }),
  })
  const admin = kafka.admin()
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  onTestFinished(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  })
  await admin.connect()
  await producer.connect()
  return {
    admin,
    async produce(topic, values) {
      await producer.send({ topic, acks: -1, messages: values.map(value => ({ value })) })
    },
    async count(topic) {
      const offsets = await admin.fetchTopicOffsets(topic)
      return offsets.reduce((sum, { high }) => sum + Number(high), 0)
    },
  }
}
