import type { Observer } from '@mekong/core'
import { type Clock, MekongError, systemClock } from '@mekong/core/driver'
import type { RedisOptions } from 'ioredis'
import { isClient, type RedisClient } from './redis-client.ts'

export interface RedisIdempotencyOptions {
  /**
   * A client that the application connects and ends; or a redis:// or rediss:// URL, or options of ioredis, for a client of
   * the store's own.
   */
  readonly redis: RedisClient | RedisOptions | string
  /**
   * How long a completed or held identity is remembered, at least; a claim may not ask for a longer lease. At least the
   * retention of the broker and the longest delay. Of two stores with the same prefix the longer retention holds for both.
   * @default 604800000 (7 days)
   */
  readonly retentionMs?: number | undefined
  /** After this time without an answer a call rejects. @default 3000 */
  readonly deadlineMs?: number | undefined
  /** What the names of all keys begin with. Another prefix is another memory. Without braces. @default 'mekong' */
  readonly prefix?: string | undefined
  /**
   * Hash slots over which a cluster spreads the records, 1 to 256. The same for all stores with this prefix: another number
   * is another memory.
   * @default 8
   */
  readonly buckets?: number | undefined
  /** Hears, as `notice`, that Redis lost its data or that its settings may lose them. Give it the bus's own. @default none */
  readonly observe?: Observer | undefined
  /** For deadlines; leases go by the clock of Redis. @default systemClock */
  readonly clock?: Clock | undefined
}

export interface ResolvedRedisIdempotencyOptions {
  readonly redis: RedisClient | RedisOptions | string
  readonly retentionMs: number
  readonly deadlineMs: number
  /** The key of each bucket's head. In a cluster what is in braces decides where a key is. */
  readonly heads: readonly string[]
  readonly observe: Observer
  readonly clock: Clock
}

const names: readonly string[] = [
  'redis',
  'retentionMs',
  'deadlineMs',
  'prefix',
  'buckets',
  'observe',
  'clock',
] satisfies (keyof RedisIdempotencyOptions)[]

/** @throws MekongError INVALID_CONFIGURATION */
export function resolveOptions(options: RedisIdempotencyOptions): ResolvedRedisIdempotencyOptions {
  for (const name of Object.keys(options ?? {})) {
    if (!names.includes(name)) throw invalid(`${name} is not an option; the options are ${names.join(', ')}`)
  }
  // From JavaScript also without any.
  checkRedis(options?.redis)
  const { redis, retentionMs = 604_800_000, deadlineMs = 3000, prefix = 'mekong', buckets = 8 } = options
  requireWhole('retentionMs', retentionMs, 2 ** 45)
  requireWhole('deadlineMs', deadlineMs, 2 ** 31 - 1)
  requireWhole('buckets', buckets, 256)
  if (prefix === '' || /[{}]/.test(prefix)) throw invalid('prefix is a text without braces')
  return {
    redis,
    retentionMs,
    deadlineMs,
    heads: Array.from({ length: buckets }, (_, bucket) => `{${prefix}:${bucket}}`),
    observe: options.observe ?? (() => {}),
    clock: options.clock ?? systemClock,
  }
}

/** ioredis takes what it does not know for "127.0.0.1:6379", and the memory of a service would be somewhere else in silence. */
function checkRedis(redis: unknown): void {
  if (typeof redis === 'string') {
    if (/^rediss?:\/\/./.test(redis) && URL.canParse(redis)) return
    throw invalid('redis is a redis:// or rediss:// URL')
  }
  if (isClient(redis)) return
  if (!isPlainObject(redis)) {
    throw invalid(
      'redis is missing or of another kind: give a redis:// or rediss:// URL, options or a client of ioredis',
    )
  }
  if (!places.some(name => redis[name] !== undefined)) {
    throw invalid(`redis names no place: give a URL, or options of ioredis with one of ${places.join(', ')}`)
  }
}

/** The options of ioredis that say where Redis is. */
const places = ['host', 'port', 'path', 'sentinels', 'Connector'] as const satisfies (keyof RedisOptions)[]

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function requireWhole(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return
  throw invalid(`${name} is a whole number from 1 to ${max}; got ${value}`)
}

export function invalid(what: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', `redisIdempotency: ${what}`)
}
