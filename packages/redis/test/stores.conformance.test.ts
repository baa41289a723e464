import { startRedis } from '@mekong/stack'
import { describeIdempotencyStore } from '@mekong/testing/stores'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import { type RedisClient, redisIdempotency } from '../src/index.ts'

const clients: readonly (readonly [string, (url: string) => RedisClient & { disconnect(): void }])[] = [
  ['ioredis 6', url => new Redis(url)],
  ['ioredis 5', url => new Redis5(url)],
]

for (const [name, connect] of clients) {
  describeIdempotencyStore(`redisIdempotency on ${name}`, async () => {
    const server = await startRedis({ storage: 'memory' })
    const redis = connect(server.url)
    const clock = new Redis(server.url)
    return {
      open: () => redisIdempotency({ redis }),
      async now() {
        const [seconds = 0, micros = 0] = await clock.time()
        return seconds * 1000 + micros / 1000
      },
      async passTime(ms) {
        await clock.blpop('nobody pushes to this', ms / 1000)
      },
      shortLeaseMs: 300,
      async close() {
        redis.disconnect()
        clock.disconnect()
        await server.stop()
      },
    }
  })
}
