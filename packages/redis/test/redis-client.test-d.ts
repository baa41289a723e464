import type { IdempotencyStore } from '@mekong/core'
import { type Cluster, Redis } from 'ioredis'
import type { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5'
import { expectTypeOf, it } from 'vitest'
import { type RedisClient, type RedisIdempotency, redisIdempotency } from '../src/index.ts'

it('takes clients and clusters of ioredis 5 and 6 as they are', () => {
  expectTypeOf<Redis>().toExtend<RedisClient>()
  expectTypeOf<Cluster>().toExtend<RedisClient>()
  expectTypeOf<Redis5>().toExtend<RedisClient>()
  expectTypeOf<Cluster5>().toExtend<RedisClient>()
})

it('takes a URL or options for a client of its own', () => {
  expectTypeOf(redisIdempotency({ redis: 'redis://127.0.0.1' })).toEqualTypeOf<RedisIdempotency>()
  expectTypeOf(redisIdempotency({ redis: { host: '127.0.0.1', tls: {} } })).toExtend<IdempotencyStore>()
  // @ts-expect-error: neither a client nor where to find Redis
  redisIdempotency({ redis: 6379 })
  // @ts-expect-error: the client is called `redis`
  redisIdempotency({ client: new Redis() })
})
