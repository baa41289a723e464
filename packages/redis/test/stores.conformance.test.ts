import { startRedis } from '@mekong/stack'
import { describeIdempotencyStore } from '@mekong/testing/stores'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5'
import { type RedisClient, redisIdempotency } from '../src/index.ts'
import { passTime, redisNow } from './redis-server.ts'

interface Way {
  readonly name: string
  readonly nodes: 1 | 3
  readonly connect: (url: string) => RedisClient & { disconnect(): void }
}

const ways: readonly Way[] = [
  { name: 'ioredis 6', nodes: 1, connect: url => new Redis(url) },
  { name: 'ioredis 5', nodes: 1, connect: url => new Redis5(url) },
  { name: 'a cluster, by ioredis 6', nodes: 3, connect: url => new Cluster([url]) },
  { name: 'a cluster, by ioredis 5', nodes: 3, connect: url => new Cluster5([url]) },
]

for (const { name, nodes, connect } of ways) {
  describeIdempotencyStore(`redisIdempotency on ${name}`, async () => {
    const server = await startRedis({ nodes, storage: 'memory' })
    const client = connect(server.url)
    const clock = new Redis(server.url)
    return {
      open: () => redisIdempotency({ redis: client }),
      now: () => redisNow(clock),
      passTime: ms => passTime(clock, ms),
      shortLeaseMs: 150,
      async close() {
        client.disconnect()
        clock.disconnect()
        await server.stop()
      },
    }
  })
}
