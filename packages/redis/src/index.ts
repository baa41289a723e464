export { type RedisIdempotency, redisIdempotency } from './redis-idempotency.ts'
export type { RedisIdempotencyOptions } from './redis-idempotency-options.ts'
export type { RedisClient } from './redis-client.ts'
