// A run with brokers, to be killed by a test.
import { startKafka, startRabbitMq, startRedis } from '../../src/index.ts'

const inMemory = { storage: 'memory' } as const
const [redis, kafka, paused] = await Promise.all([startRedis(inMemory), startKafka(inMemory), startRabbitMq(inMemory)])
await paused.pause()
process.send?.([redis.url, kafka.url, paused.url])
setInterval(() => {}, 60_000)
