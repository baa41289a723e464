import { type Admin, Kafka, logLevel, type SASLOptions } from 'kafkajs'
import { onTestFinished } from 'vitest'

export interface KafkaClient {
  readonly admin: Admin
  /** Resolves when the broker has acknowledged. */
  produce(topic: string, values: readonly string[]): Promise<void>
  /** How many events the topic holds. */
  count(topic: string): Promise<number>
}

export interface KafkaClientOptions {
  /** By TLS, trusting this certificate. */
  readonly ca?: string | undefined
  readonly sasl?: SASLOptions
  /** @default 5000 */
  readonly timeoutMs?: number
  /** @default 20 */
  readonly retries?: number
}

/** A client until the end of the test. */
export async function openKafka(url: string, options: KafkaClientOptions = {}): Promise<KafkaClient> {
  const { ca, sasl, timeoutMs = 5_000, retries = 20 } = options
  const kafka = new Kafka({
    brokers: url.replace(/^[^:]+:\/\/([^@]*@)?/, '').split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries },
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
