import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { Options, SocketOptions } from 'amqplib'
import { MekongError, systemClock, type Clock } from '@mekong/core/driver'
import type { ConnectionSettings } from './connection/supervised-connection.ts'
import { topicNamePattern } from './broker-names.ts'
import { bucketCount } from './buckets.ts'

export interface RabbitMqOptions {
  /** `host` or `host:port`, one or several nodes of one cluster. The port is 5672, with TLS 5671. */
  readonly hosts: string | readonly string[]
  /** @default '/' */
  readonly vhost?: string
  /** @default 'guest' */
  readonly username?: string
  /** @default 'guest' */
  readonly password?: string
  /** True, or what `tls.connect` takes: `ca`, `cert`, `key`, … Certificates are checked. @default false */
  readonly tls?: boolean | TlsOptions
  /** How long one attempt to connect may take, and how long topology and joining wait for a connection. @default 10,000 */
  readonly connectTimeoutMs?: number
  /** A silent peer is given up after two to three of them; whole seconds. @default 10,000 */
  readonly heartbeatMs?: number
  /** Upper bound of the pause before the first reconnection; doubles each time, full jitter. @default 100 */
  readonly reconnectDelayMs?: number
  /** @default 10,000 */
  readonly maxReconnectDelayMs?: number
  /** Sent and not confirmed; what is beyond waits in the driver. @default 1,000 */
  readonly maxUnconfirmed?: number
  /** `max_message_size` of the broker: 16 MiB in RabbitMQ 4, 128 MiB before. @default 16,777,216 */
  readonly maxMessageBytes?: number
  /** `consumer_timeout` of the broker: how long a delivery may stay unacknowledged. @default 1,800,000 */
  readonly maxUnsettledMs?: number
  /** How often a consumer looks whether its queues are there and delivered from. @default 30,000 */
  readonly recheckMs?: number
  /** Of a group that keeps order and is declared for the first time, where the topic's `partitions` does not say it; at most 128. @default 8 */
  readonly queues?: number
  /**
   * After so many deliveries that came back a message goes to `mekong::backstop`; at least 100. What its process had in hand
   * beside it came back as often: a last resort. @default 100
   */
  readonly deliveryLimit?: number
  /** Topics that are kept in a stream as well, so that they can be replayed: a list, or a rule. @default none */
  readonly replay?: readonly string[] | ((topic: string) => boolean)
  /** amqplib's own tuning. */
  readonly amqplib?: {
    readonly connect?: Pick<Options.Connect, 'frameMax' | 'maxFrameSize' | 'channelMax' | 'locale' | 'credentials'>
    readonly socket?: Omit<SocketOptions, 'timeout'>
  }
  /** For tests. */
  readonly clock?: Clock
  /** For tests: uniform in [0, 1). */
  readonly random?: () => number
}

export interface ResolvedRabbitMqOptions {
  readonly connection: ConnectionSettings
  readonly connectTimeoutMs: number
  readonly maxUnconfirmed: number
  readonly maxMessageBytes: number
  readonly maxUnsettledMs: number
  readonly recheckMs: number
  readonly queues: number
  readonly deliveryLimit: number
  readonly canReplay: boolean
  readonly isReplayed: (topic: string) => boolean
  readonly clock: Clock
}

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
}

const hour = 3_600_000
export type NumberOption =
  | 'connectTimeoutMs'
  | 'heartbeatMs'
  | 'reconnectDelayMs'
  | 'maxReconnectDelayMs'
  | 'maxUnconfirmed'
  | 'maxMessageBytes'
  | 'maxUnsettledMs'
  | 'recheckMs'
  | 'queues'
  | 'deliveryLimit'

const numbers: Readonly<Record<NumberOption, Range>> = {
  connectTimeoutMs: { default: 10_000, min: 100, max: hour },
  heartbeatMs: { default: 10_000, min: 1000, max: 60_000 },
  reconnectDelayMs: { default: 100, min: 1, max: hour },
  maxReconnectDelayMs: { default: 10_000, min: 1, max: hour },
  maxUnconfirmed: { default: 1000, min: 1, max: 100_000 },
  maxMessageBytes: { default: 16 * 1024 * 1024, min: 64 * 1024, max: 512 * 1024 * 1024 },
  maxUnsettledMs: { default: 1_800_000, min: 60_000, max: 30 * 24 * hour },
  recheckMs: { default: 30_000, min: 100, max: hour },
  queues: { default: 8, min: 1, max: bucketCount },
  deliveryLimit: { default: 100, min: 100, max: 1_000_000 },
}

export const numberOptions: readonly NumberOption[] = Object.keys(numbers) as NumberOption[]

const names: readonly (keyof RabbitMqOptions)[] = [
  'hosts',
  'vhost',
  'username',
  'password',
  'tls',
  'replay',
  'amqplib',
  'clock',
  'random',
  ...numberOptions,
]

/** @throws MekongError INVALID_CONFIGURATION with the option's path and what is allowed */
export function resolveRabbitMqOptions(given: RabbitMqOptions): ResolvedRabbitMqOptions {
  for (const name of Object.keys(given)) {
    if (!(names as readonly string[]).includes(name)) {
      throw invalid(`rabbitmq: ${name} is not an option; the options are ${names.join(', ')}`)
    }
  }
  const number = (name: NumberOption): number => numberOption(name, given[name])
  const connectTimeoutMs = number('connectTimeoutMs')
  const clock = given.clock ?? systemClock
  return {
    connection: {
      endpoints: endpointsOf(given, Math.ceil(number('heartbeatMs') / 1000)),
      socket: socketOf(given, connectTimeoutMs),
      reconnectDelayMs: number('reconnectDelayMs'),
      maxReconnectDelayMs: number('maxReconnectDelayMs'),
      clock,
      random: given.random ?? Math.random,
    },
    connectTimeoutMs,
    maxUnconfirmed: number('maxUnconfirmed'),
    maxMessageBytes: number('maxMessageBytes'),
    maxUnsettledMs: number('maxUnsettledMs'),
    recheckMs: number('recheckMs'),
    queues: number('queues'),
    deliveryLimit: number('deliveryLimit'),
    ...replayOf(given.replay ?? []),
    clock,
  }
}

function numberOption(name: NumberOption, given: unknown): number {
  const { default: fallback, min, max } = numbers[name]
  const value = given ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(`rabbitmq: ${name} must be an integer from ${min} to ${max}, not ${JSON.stringify(given)}`)
}

function endpointsOf(options: RabbitMqOptions, heartbeat: number): readonly Options.Connect[] {
  const { username = 'guest', password = 'guest', vhost = '/', amqplib } = options
  const hosts = typeof options.hosts === 'string' ? [options.hosts] : options.hosts
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalid("rabbitmq: hosts must name a host, as in 'localhost:5672'")
  const isSecure = isTls(options)
  return hosts.map((text: unknown, index) => {
    const { hostname, port } = hostOf(text, index)
    return {
      ...amqplib?.connect,
      protocol: isSecure ? 'amqps' : 'amqp',
      hostname,
      port: port ?? (isSecure ? 5671 : 5672),
      username,
      password,
      // amqplib decodes it once more.
      vhost: encodeURIComponent(vhost === '' ? '/' : vhost),
      heartbeat,
    }
  })
}

function hostOf(text: unknown, index: number): { readonly hostname: string; readonly port: number | undefined } {
  const match = typeof text === 'string' ? /^(?:\[([\da-f:.]+)\]|([^[\]:\s/@]+))(?::(\d{1,5}))?$/i.exec(text) : null
  const hostname = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  if (hostname === undefined || (port !== undefined && (port < 1 || port > 65_535))) {
    throw invalid(`rabbitmq: hosts[${index}] must be of the form host or host:port`)
  }
  return { hostname, port }
}

function isTls({ tls }: RabbitMqOptions): boolean {
  return tls !== undefined && tls !== false
}

function socketOf(options: RabbitMqOptions, timeout: number): SocketOptions {
  const own = typeof options.tls === 'object' ? options.tls : {}
  // Small frames wait for nothing; a peer that vanished is noticed by the kernel too.
  return { noDelay: true, keepAlive: true, keepAliveDelay: 30_000, ...own, ...options.amqplib?.socket, timeout }
}

function replayOf(topics: unknown): Pick<ResolvedRabbitMqOptions, 'canReplay' | 'isReplayed'> {
  if (typeof topics === 'function') return { canReplay: true, isReplayed: topics as (topic: string) => boolean }
  if (!Array.isArray(topics)) throw invalid('rabbitmq: replay must be a list of topics, or a function of a topic')
  for (const topic of topics) {
    if (typeof topic === 'string' && topicNamePattern.test(topic)) continue
    throw invalid(`rabbitmq: replay names ${JSON.stringify(topic)}, which is no topic name`)
  }
  const names = new Set(topics as readonly string[])
  return { canReplay: names.size > 0, isReplayed: topic => names.has(topic) }
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
