import { type RedisServer, startTcpProxy } from '@mekong/stack'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type RedisIdempotency, redisIdempotency } from '../src/index.ts'
import type { Script } from '../src/scripts/script.ts'
import { claimScript, completeScript } from '../src/scripts/steps.ts'
import { BusScene, unavailable } from './bus-scene.ts'
import { testRedis } from './redis-server.ts'

const deadlineMs = 500

describe('a connection that is cut after the script ran and before the reply', () => {
  it.each<[string, Script, (url: string) => { store: RedisIdempotency; end: () => unknown }]>([
    ['a claim, with a client of the store', claimScript, ownClient],
    ['a completion, with a client of the store', completeScript, ownClient],
    ['a claim, with a client that sends it again by itself', claimScript, resendingClient],
    ['a completion, with a client that sends it again by itself', completeScript, resendingClient],
  ])('leaves %s: each event is handled once', async (_, script, connect) => {
    await using test = await testRedis()
    await using proxy = await startTcpProxy({ target: test.server.url })
    const { store, end } = connect(proxy.through(test.server.url))
    await using scene = await BusScene.start(store)
    await scene.publish(0, 50) // Redis knows the scripts now
    await scene.untilOver()
    const isCut = proxy.cutBeforeReply(bytes => bytes.includes(script.sha))
    await scene.publish(50, 100)
    expect(await isCut).toBe(true)
    await scene.untilOver()
    await scene.publish(0, 100)
    await scene.untilOver()
    expect(scene.lost).toEqual([])
    expect(scene.handledTwice).toEqual([])
    expect(scene.count(signal => signal.is === 'busy')).toBe(0) // nor did one wait for a lease of its own
    await end()
  })

  it('is what a naive SET NX takes for a duplicate that nobody has handled', async () => {
    await using test = await testRedis()
    await using proxy = await startTcpProxy({ target: test.server.url })
    const naive = new Redis(proxy.through(test.server.url))
    naive.on('error', () => {})
    await naive.ping()
    const isCut = proxy.cutBeforeReply(bytes => bytes.includes('SET') || bytes.includes('set'))
    const answer = await naive.set('event', 'claimed', 'NX')
    expect(await isCut).toBe(true)
    expect(answer).toBeNull() // "exists already": this delivery would be acknowledged unhandled
    naive.disconnect()
  })
})

describe('a Redis that is away', () => {
  it.each<[string, (server: RedisServer) => Promise<unknown>, (server: RedisServer) => Promise<unknown>]>([
    ['is killed, and comes back with its append-only file', server => server.kill(), server => server.restart()],
    ['stands still for longer than the deadline', server => server.pause(), server => server.resume()],
  ])('lets deliveries wait when it %s: nothing is lost or handled twice', async (_, leave, comeBack) => {
    await using test = await testRedis()
    await using store = redisIdempotency({ redis: test.server.url, deadlineMs })
    await using scene = await BusScene.start(store)
    await scene.publish(0, 200)
    await scene.when(signal => signal.is === 'completed', 20)
    await leave(test.server)
    await scene.publish(200, 300)
    await scene.when(unavailable, 3)
    expect(scene.runs.has('e299')).toBe(false)
    await comeBack(test.server)
    await scene.publish(0, 300)
    await scene.untilOver()
    expect(scene.lost).toEqual([])
    expect(scene.handledTwice).toEqual([])
  })

  it('is asked over a new connection when the old one is silent for longer than the deadline', async () => {
    await using test = await testRedis()
    await using proxy = await startTcpProxy({ target: test.server.url })
    await using store = redisIdempotency({ redis: proxy.through(test.server.url), deadlineMs })
    const request = { identity: { scope: 's', event: 'e' }, token: 't', leaseMs: 60_000, from: 'live' as const }
    const [first] = await store.claim([request])
    const connections = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(await test.redis.info('stats'))?.[1])
    const before = await connections()
    proxy.stall('to-client')
    do await expect(store.claim([request])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    while ((await connections()) === before)
    proxy.flow()
    expect(await answerOf(() => store.claim([request]))).toEqual([first])
  })

  it('is one node of a cluster that is killed: its deliveries wait, nothing is lost or handled twice', async () => {
    await using test = await testRedis({ nodes: 3 })
    const cluster = new Cluster([test.server.url])
    cluster.on('error', () => {})
    await using store = redisIdempotency({ redis: cluster, deadlineMs })
    await using scene = await BusScene.start(store)
    await scene.publish(0, 200)
    await scene.when(signal => signal.is === 'completed', 20)
    await test.server.nodes[1]?.kill()
    await scene.publish(200, 300)
    await scene.when(unavailable, 3)
    await test.server.nodes[1]?.restart()
    await scene.publish(0, 300)
    await scene.untilOver()
    expect(scene.lost).toEqual([])
    expect(scene.handledTwice).toEqual([])
    cluster.disconnect()
  })
})

describe('a Redis that loses its data', () => {
  it('by FLUSHALL in mid-run loses no event; what comes again is handled again, and that is said', async () => {
    await using test = await testRedis()
    const notices: string[] = []
    await using store = redisIdempotency({
      redis: test.server.url,
      deadlineMs,
      observe: signal => signal.is === 'notice' && notices.push(signal.message),
    })
    await using scene = await BusScene.start(store)
    await scene.publish(0, 200)
    await scene.when(signal => signal.is === 'completed', 50)
    await test.redis.flushall()
    await scene.publish(200, 300)
    await scene.untilOver()
    expect(scene.lost).toEqual([])
    expect(scene.handledTwice).toEqual([]) // nothing came again so far
    await scene.publish(0, 300)
    await scene.untilOver()
    expect(scene.lost).toEqual([])
    expect(scene.handledTwice.length).toBeGreaterThan(0)
    expect(scene.handledTwice).not.toContain('e299') // handled after the flush
    expect(notices.filter(message => message.includes('has lost'))).toHaveLength(1)
  })

  it('while handlers run: what comes again meanwhile and later is not handled beside or after them', async () => {
    await using test = await testRedis()
    await using store = redisIdempotency({ redis: test.server.url, deadlineMs })
    const finish = Promise.withResolvers<void>()
    await using scene = await BusScene.start(store, () => finish.promise)
    await scene.publish(0, 50)
    await untilRunning(scene, 50)
    await test.redis.flushall()
    finish.resolve()
    await scene.untilOver()
    await scene.publish(0, 50)
    await scene.untilOver()
    expect(scene.handledTwice).toEqual([])
  })

  it('by a restart without an append-only file loses no event, and says so', async () => {
    await using test = await testRedis({ settings: { appendonly: false } })
    const lost = Promise.withResolvers<void>()
    await using store = redisIdempotency({
      redis: test.server.url,
      deadlineMs,
      observe: signal => signal.is === 'notice' && signal.message.includes('has lost') && lost.resolve(),
    })
    await using scene = await BusScene.start(store)
    await scene.publish(0, 100)
    await scene.when(signal => signal.is === 'completed', 20)
    await test.server.kill()
    await scene.publish(100, 200)
    await scene.when(unavailable)
    await test.server.restart()
    await scene.publish(0, 200)
    await scene.untilOver()
    await lost.promise
    expect(scene.lost).toEqual([])
  })
})

function ownClient(url: string): { store: RedisIdempotency; end: () => unknown } {
  const store = redisIdempotency({ redis: url, deadlineMs })
  return { store, end: () => store.close() }
}

/** As an application has it that sets nothing. */
function resendingClient(url: string): { store: RedisIdempotency; end: () => unknown } {
  const redis = new Redis(url)
  redis.on('error', () => {})
  return { store: redisIdempotency({ redis, deadlineMs }), end: () => redis.disconnect() }
}

async function untilRunning(scene: BusScene, handlers: number): Promise<void> {
  while (scene.runs.size < handlers) await new Promise(setImmediate)
}

/** Asks as the bus does: until there is an answer. */
async function answerOf<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch {
      await new Promise(setImmediate)
    }
  }
}
