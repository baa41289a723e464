import { Redis, type RedisOptions } from 'ioredis'

/**
 * What the store needs of a client. `Redis` and `Cluster` of ioredis have it. Scripts and their repetitions are harmless
 * when they arrive late or twice, so that any settings of the client are right; which are good is in the README.
 */
export interface RedisClient {
  /** True of a `Cluster`: buckets are then asked for one by one, all at the same time. */
  readonly isCluster?: boolean
  evalsha(sha: string, numberOfKeys: number, ...keysAndArguments: (string | Buffer)[]): Promise<unknown>
  eval(source: string, numberOfKeys: number, ...keysAndArguments: (string | Buffer)[]): Promise<unknown>
  info(section: string): Promise<string>
  on(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

/** A client, and how it is used. */
export interface RedisConnection {
  readonly client: RedisClient
  /** Undefined: commands can be given now. Otherwise resolves when they can; never rejects. */
  readonly untilReady: () => Promise<void> | undefined
  /** What the client said last of why it is not connected. */
  readonly lastError: () => unknown
  readonly close: () => void
}

/** The client is the application's: it connects and ends it, and hears its errors. */
function givenConnection(client: RedisClient): RedisConnection {
  return { client, untilReady: () => undefined, lastError: () => undefined, close: () => {} }
}

/**
 * A client of the store's own. It keeps no queue and sends nothing again: what is asked while Redis is away fails by its
 * deadline, and the bus asks again. A connection that is silent for longer than the deadline is replaced.
 */
function ownConnection(to: string | RedisOptions, deadlineMs: number): RedisConnection {
  const settings: RedisOptions = {
    keepAlive: 10_000,
    retryStrategy: times => Math.min(50 * 2 ** Math.min(times, 6), 2000),
    reconnectOnError: error => error.message.startsWith('READONLY'),
    connectTimeout: deadlineMs,
    socketTimeout: deadlineMs,
  }
  const must = {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    lazyConnect: false,
    replyMapping: 'legacy',
  } as const satisfies RedisOptions
  const client =
    typeof to === 'string' ? new Redis(to, { ...settings, ...must }) : new Redis({ ...settings, ...to, ...must })
  let lastError: unknown
  let becomingReady: Promise<void> | undefined
  client.on('error', error => {
    lastError = error
  })
  client.on('ready', () => {
    lastError = undefined
    becomingReady = undefined
  })
  return {
    client,
    untilReady() {
      if (client.status === 'ready') return undefined
      becomingReady ??= new Promise(resolve => client.once('ready', () => resolve()))
      return becomingReady
    },
    lastError: () => lastError,
    close: () => client.disconnect(),
  }
}

export function isClient(redis: unknown): redis is RedisClient {
  return typeof redis === 'object' && redis !== null && 'evalsha' in redis
}

export function connectionTo(redis: RedisClient | RedisOptions | string, deadlineMs: number): RedisConnection {
  return isClient(redis) ? givenConnection(redis) : ownConnection(redis, deadlineMs)
}
