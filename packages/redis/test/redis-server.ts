import { setTimeout as delay } from 'node:timers/promises'
import { type RedisServer, startRedis, type StartRedisOptions } from '@mekong/stack'
import { Redis } from 'ioredis'

/** A Redis of one test, and a client beside the store's. */
export interface TestRedis extends AsyncDisposable {
  readonly server: RedisServer
  readonly redis: Redis
}

export async function testRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  const server = await startRedis({ storage: 'memory', ...options })
  const redis = new Redis(server.url)
  redis.on('error', () => {}) // a test that ends Redis knows why
  return {
    server,
    redis,
    async [Symbol.asyncDispose]() {
      redis.disconnect()
      await server.stop()
    },
  }
}

/** Milliseconds since the epoch by the clock of Redis. */
export async function redisNow(redis: Redis): Promise<number> {
  const [seconds = 0, micros = 0] = await redis.time()
  return seconds * 1000 + micros / 1000
}

/** Resolves when so much time has passed for Redis, whose expiry cannot be given a clock. */
export async function passTime(redis: Redis, ms: number): Promise<void> {
  const until = (await redisNow(redis)) + ms
  for (let left = ms; left > 0; left = until - (await redisNow(redis))) await delay(left)
}
