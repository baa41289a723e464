// What the idempotency store costs a message with 100 in flight, beside one SET NX for each message, on the same Redis:
// wall time and CPU time of claiming alone, and of claiming and completing; and the bytes that are kept of a message that was handled.
// Run: npm run bench redis, or node --conditions=mekong-source packages/redis/bench/claims.ts [rounds]
import { randomUUID } from 'node:crypto'
import { cpus, loadavg } from 'node:os'
import { startRedis } from '@mekong/stack'
import { Redis } from 'ioredis'
import { redisIdempotency } from '../src/index.ts'

const rounds = Number(process.argv.slice(2).find(word => /^\d+$/.test(word)) ?? 5)
const messages = 20_000
const inFlight = 100
const retentionMs = 604_800_000

await using server = await startRedis({ storage: 'memory' })
const redis = new Redis(server.url)
await using store = redisIdempotency({ redis, retentionMs })

type Handle = (events: readonly string[]) => Promise<unknown>

const claimAll = async (events: readonly string[]): Promise<Parameters<typeof store.complete>[0]> => {
  const requests = events.map(event => ({
    identity: { scope: 'inventory order.created', event },
    token: `member-1 ${event}`,
    leaseMs: 30_000,
    from: 'live' as const,
  }))
  const answers = await store.claim(requests)
  return requests.map((request, index) => {
    const answer = answers[index]
    if (answer?.is !== 'mine') throw new Error(`a new event is ${answer?.is}`)
    return { ...request, fence: answer.fence }
  })
}
const setNx = (event: string): Promise<unknown> =>
  redis.set(`naive:inventory:order.created:${event}`, 'claimed', 'PX', retentionMs, 'NX')
const setDone = (event: string): Promise<unknown> =>
  redis.set(`naive:inventory:order.created:${event}`, 'done', 'PX', retentionMs)

const contenders: Readonly<Record<string, Handle>> = {
  'SET NX for each message': events => Promise.all(events.map(setNx)),
  'Mekong: claim': claimAll,
  'SET NX, then SET, for each message': events =>
    Promise.all(events.map(event => setNx(event).then(() => setDone(event)))),
  'Mekong: claim and complete': async events => store.complete(await claimAll(events)),
}

interface Measure {
  readonly micros: number
  readonly nodeMicros: number
  readonly redisMicros: number
}

async function measure(handle: Handle): Promise<Measure> {
  const portions = Array.from({ length: messages / inFlight }, () =>
    Array.from({ length: inFlight }, () => `https://shop.example/orders ${randomUUID()}`),
  )
  const cpuBefore = await redisCpuMicros()
  const nodeBefore = process.cpuUsage()
  const began = performance.now()
  for (const portion of portions) await handle(portion)
  const micros = ((performance.now() - began) * 1000) / messages
  const { user, system } = process.cpuUsage(nodeBefore)
  const redisMicros = ((await redisCpuMicros()) - cpuBefore) / messages
  return { micros, nodeMicros: (user + system) / messages, redisMicros }
}

async function redisCpuMicros(): Promise<number> {
  const cpu = await redis.info('cpu')
  const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(cpu)?.[1])
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6
}

async function bytesOf(pattern: string): Promise<number> {
  let bytes = 0
  for await (const keys of redis.scanStream({ match: pattern, count: 1000 })) {
    const sizes = await Promise.all((keys as string[]).map(key => redis.memory('USAGE', key)))
    bytes += sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  }
  return bytes
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
const names = Object.keys(contenders)
const measured = new Map(names.map(name => [name, [] as Measure[]]))
for (let round = 0; round <= rounds; round++) {
  // Each comes first, second, … in turn, and the first round warms up.
  for (const name of names.map((_, place) => names[(place + round) % names.length] ?? '')) {
    const one = await measure(contenders[name] ?? claimAll)
    if (round > 0) measured.get(name)?.push(one)
  }
}

const version = /^redis_version:(.*?)\r?$/m.exec(await redis.info('server'))?.[1]
console.log(
  `Redis ${version} (append-only file on) and Node ${process.versions.node} on one machine, ${cpus().length} × ` +
    `${cpus()[0]?.model}, load at the end ${loadavg()[0]?.toFixed(1)}. ${inFlight} in flight, ${messages} messages a ` +
    `round, ${rounds} rounds in turn: median (least–most).\n`,
)
console.log('| | µs a message | CPU µs of Node | CPU µs of Redis |\n|---|---:|---:|---:|')
for (const [name, results] of measured) {
  const micros = results.map(result => result.micros)
  const spread = `${Math.min(...micros).toFixed(1)}–${Math.max(...micros).toFixed(1)}`
  const node = median(results.map(result => result.nodeMicros)).toFixed(1)
  const ofRedis = median(results.map(result => result.redisMicros)).toFixed(1)
  console.log(`| ${name} | ${median(micros).toFixed(1)} (${spread}) | ${node} | ${ofRedis} |`)
}

await redis.flushall()
for (const [name, pattern, handle] of [
  ['SET NX, then SET', 'naive:*', contenders['SET NX, then SET, for each message']],
  ['Mekong', '{mekong:*', contenders['Mekong: claim and complete']],
] as const) {
  const count = messages * 5
  for (let done = 0; done < count; done += messages) await measure(handle ?? claimAll)
  console.log(
    `\n${name}: ${((await bytesOf(pattern)) / count).toFixed(1)} bytes a message by MEMORY USAGE, ${count} messages`,
  )
}
redis.disconnect()
