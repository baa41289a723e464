import type { ConnectionOptions } from 'node:tls'
import { MekongError } from '@mekong/core/driver'
import type { ConnectionSettings, SaslSettings, Seed } from './client/connection-settings.ts'
import type { Compression } from './client/kafka-client.ts'
import { mskIamToken } from './msk-iam.ts'

export interface KafkaOptions {
  /** `host:port` of some brokers of the cluster; the port is 9092 by default. Not with `client`. */
  readonly brokers?: readonly string[]
  /** Names this program to the brokers. @default 'mekong' */
  readonly clientId?: string
  /** `true`: verified by the certificates that Node trusts. @default false */
  readonly tls?: boolean | ConnectionOptions
  /** @default none */
  readonly sasl?: KafkaSasl
  /** How long opening a connection may take. @default 5,000 */
  readonly connectTimeoutMs?: number
  /** How long any answer may take that the broker gives at once. @default 10,000 */
  readonly requestTimeoutMs?: number
  /** How old what is known of topics and leaders may become: so late are new partitions noticed. @default 60,000 */
  readonly metadataMaxAgeMs?: number
  /** Of what is published. `snappy`, `lz4` and `zstd` may need a package, see the README. @default 'none' */
  readonly compression?: Compression
  /** The `max.message.bytes` of the topics, less what a batch takes for itself. @default 1,048,000 */
  readonly maxMessageBytes?: number
  /** How topics are made: the first entry that matches counts. @default [] */
  readonly topics?: readonly KafkaTopicOptions[]
  readonly consume?: Partial<KafkaConsumeOptions>
  /**
   * The client library: `kafkajs`, `platformatic` (@platformatic/kafka, to be installed beside this package; Node 22.22), or
   * a ready client: a `Kafka` object of kafkajs 2.2. @default 'kafkajs'
   */
  readonly client?: 'kafkajs' | 'platformatic' | KafkajsClient
}

/** A `Kafka` object of kafkajs 2.2, by what tells it from others. */
export interface KafkajsClient {
  consumer(options: never): unknown
  producer(options?: never): unknown
  admin(options?: never): unknown
}

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  /** `token` is asked for each connection, and again before a session ends. */
  | { readonly mechanism: 'oauthbearer'; readonly token: () => Promise<string> }
  /** Amazon MSK: signed with what the AWS SDK finds; needs the package aws-msk-iam-sasl-signer-js. */
  | { readonly mechanism: 'aws-msk-iam'; readonly region: string }

export interface KafkaTopicOptions {
  /** Of the topics that this is said of: names, or patterns that the whole name matches. */
  readonly match: string | RegExp
  /** @default the broker's */
  readonly replication?: number
  /** Keeps the last event of each key instead of those of a time. @default false */
  readonly compacted?: boolean
  /** Any other topic configuration of Kafka, by its name. @default {} */
  readonly configuration?: Readonly<Record<string, string>>
}

export interface KafkaConsumeOptions {
  /** How long the group waits for a member that says nothing before it gives its partitions to others. @default 30,000 */
  readonly sessionTimeoutMs: number
  /** @default 1,000 */
  readonly heartbeatIntervalMs: number
  /** How long the group waits for its members when the work is shared out again. @default 60,000 */
  readonly rebalanceTimeoutMs: number
  /** How long running handlers may take when their partition goes elsewhere. @default four fifths of rebalanceTimeoutMs */
  readonly drainTimeoutMs: number
  /** What is settled within this time is written down at the group together. @default 500 */
  readonly commitIntervalMs: number
  /** How long a broker waits for something to answer with. @default 500 */
  readonly maxWaitMs: number
  /** Of one answer. @default 10,485,760 */
  readonly maxBytes: number
  /** Of one partition in one answer. @default 1,048,576 */
  readonly maxBytesPerPartition: number
  /**
   * How far a partition may be worked on behind its first event that is not settled. So much may come again after a crash.
   * @default 50,000
   */
  readonly maxDistance: number
  /** The rack or availability zone of this process: brokers that know theirs let it read from the nearest. @default '' */
  readonly rack: string
  /**
   * When the next event of a partition is no longer kept, or the log ends before it. `fail` stops the partition and says so in
   * the bus's health; the others go on there, and say what was skipped. @default 'fail'
   */
  readonly outOfRange: 'fail' | 'earliest' | 'latest'
}

export type ConsumerTuning = KafkaConsumeOptions & {
  readonly requestTimeoutMs: number
  readonly metadataMaxAgeMs: number
}

export interface ResolvedKafkaOptions {
  readonly client: 'kafkajs' | 'platformatic' | KafkajsClient
  readonly connection: ConnectionSettings
  readonly requestTimeoutMs: number
  readonly metadataMaxAgeMs: number
  readonly compression: Compression
  readonly maxMessageBytes: number
  readonly topics: readonly KafkaTopicOptions[]
  readonly consume: ConsumerTuning
}

export const DEFAULT_PORT = 9092
const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const clients = ['kafkajs', 'platformatic'] as const
export const mechanisms: readonly KafkaSasl['mechanism'][] = [
  'plain',
  'scram-sha-256',
  'scram-sha-512',
  'oauthbearer',
  'aws-msk-iam',
]
const policies = ['fail', 'earliest', 'latest'] as const

export const numbers: Readonly<
  Record<'connectTimeoutMs' | 'requestTimeoutMs' | 'metadataMaxAgeMs' | 'maxMessageBytes', number>
> = {
  connectTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  metadataMaxAgeMs: 60_000,
  maxMessageBytes: 1_048_000,
}
const names = [
  'brokers',
  'clientId',
  'tls',
  'sasl',
  'compression',
  'topics',
  'consume',
  'client',
  ...Object.keys(numbers),
]

const consumeNumbers: Readonly<
  Record<Exclude<keyof KafkaConsumeOptions, 'drainTimeoutMs' | 'rack' | 'outOfRange'>, number>
> = {
  sessionTimeoutMs: 30_000,
  heartbeatIntervalMs: 1000,
  rebalanceTimeoutMs: 60_000,
  commitIntervalMs: 500,
  maxWaitMs: 500,
  maxBytes: 10_485_760,
  maxBytesPerPartition: 1_048_576,
  maxDistance: 50_000,
}
export const consumeNames: readonly string[] = [...Object.keys(consumeNumbers), 'drainTimeoutMs', 'rack', 'outOfRange']

/** @throws MekongError INVALID_CONFIGURATION */
export function resolveKafkaOptions(given: KafkaOptions): ResolvedKafkaOptions {
  refuseUnknown('kafka', given, names)
  const { client = 'kafkajs', clientId = 'mekong', compression = 'none', topics = [] } = given
  if (typeof client === 'string') requireOneOf('kafka: client', client, clients)
  requireOneOf('kafka: compression', compression, compressions)
  for (const topic of topics) checkTopicOptions(topic)
  const resolved = resolveNumbers('kafka', given, numbers)
  const { requestTimeoutMs, metadataMaxAgeMs, maxMessageBytes } = resolved
  if (maxMessageBytes < SMALLEST_LIMIT) throw invalid(`kafka: maxMessageBytes must be at least ${SMALLEST_LIMIT}`)
  return {
    client,
    connection: {
      seeds: typeof client === 'string' ? seedsOf(given.brokers) : [],
      clientId,
      connectTimeoutMs: resolved.connectTimeoutMs,
      tls: given.tls === true ? {} : given.tls === false ? undefined : given.tls,
      sasl: saslOf(given.sasl),
    },
    requestTimeoutMs,
    metadataMaxAgeMs,
    compression,
    maxMessageBytes,
    topics,
    consume: { ...resolveConsume(given.consume ?? {}), requestTimeoutMs, metadataMaxAgeMs },
  }
}

/** Room for a dead letter with its headers, and more. */
const SMALLEST_LIMIT = 65_536

function resolveConsume(given: Partial<KafkaConsumeOptions>): KafkaConsumeOptions {
  refuseUnknown('kafka: consume', given, consumeNames)
  const resolved = resolveNumbers<keyof typeof consumeNumbers>('kafka: consume', given, consumeNumbers)
  const { sessionTimeoutMs, heartbeatIntervalMs, rebalanceTimeoutMs } = resolved
  const drainTimeoutMs = given.drainTimeoutMs ?? Math.floor(rebalanceTimeoutMs * 0.8)
  requirePositiveInteger('kafka: consume.drainTimeoutMs', drainTimeoutMs)
  if (heartbeatIntervalMs * 3 > sessionTimeoutMs) {
    throw invalid('kafka: consume.heartbeatIntervalMs must be at most a third of consume.sessionTimeoutMs')
  }
  const { rack = '', outOfRange = 'fail' } = given
  requireOneOf('kafka: consume.outOfRange', outOfRange, policies)
  return { ...resolved, drainTimeoutMs, rack, outOfRange }
}

function saslOf(sasl: KafkaSasl | undefined): SaslSettings | undefined {
  if (sasl === undefined) return undefined
  requireOneOf('kafka: sasl.mechanism', sasl.mechanism, mechanisms)
  switch (sasl.mechanism) {
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512': {
      const { username, password } = sasl
      return { mechanism: sasl.mechanism.toUpperCase() as 'PLAIN', username, password }
    }
    case 'oauthbearer':
      return { mechanism: 'OAUTHBEARER', token: sasl.token }
    case 'aws-msk-iam':
      return { mechanism: 'OAUTHBEARER', token: mskIamToken(sasl.region) }
  }
}

function seedsOf(brokers: readonly string[] | undefined): readonly Seed[] {
  if (brokers === undefined || brokers.length === 0) throw invalid('kafka: brokers must name one broker at least')
  return brokers.map((text, index) => {
    const [, address, host = address, port = String(DEFAULT_PORT)] =
      /^(?:\[([\da-f:.]+)\]|([^[\]:/@\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
    // The text itself may hold a password that somebody put there.
    if (host === undefined) throw invalid(`kafka: brokers[${index}] is not of the form host:port`)
    return { host, port: Number(port) }
  })
}

function checkTopicOptions(topic: KafkaTopicOptions): void {
  refuseUnknown('kafka: topics', topic, ['match', 'replication', 'compacted', 'configuration'])
  if (topic.replication !== undefined) requirePositiveInteger('kafka: topics.replication', topic.replication)
}

function resolveNumbers<Name extends string>(
  path: string,
  given: Partial<Readonly<Record<Name, unknown>>>,
  defaults: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const entries = Object.entries<number>(defaults).map(([name, value]) => {
    const number = given[name as Name] ?? value
    requirePositiveInteger(`${path === 'kafka' ? 'kafka: ' : `${path}.`}${name}`, number)
    return [name, number]
  })
  return Object.fromEntries(entries) as Readonly<Record<Name, number>>
}

function requirePositiveInteger(path: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return
  throw invalid(`${path} must be a positive integer, not ${JSON.stringify(value)}`)
}

export function requireOneOf<T extends string>(path: string, value: string, allowed: readonly T[]): asserts value is T {
  if ((allowed as readonly string[]).includes(value)) return
  throw invalid(`${path} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`)
}

export function refuseUnknown(path: string, given: object, allowed: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!allowed.includes(name))
      throw invalid(`${path}: ${name} is not an option; the options are ${allowed.join(', ')}`)
  }
}

export function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
