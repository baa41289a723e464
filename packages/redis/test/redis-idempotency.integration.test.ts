import type { Claim, ClaimRequest } from '@mekong/core/driver'
import { readFileSync } from 'node:fs'
import { Cluster, Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type RedisIdempotency, redisIdempotency } from '../src/index.ts'
import { passTime, redisNow, testRedis } from './redis-server.ts'

const request = (event: string, token = `token of ${event}`): ClaimRequest => ({
  identity: { scope: 'inventory order.created', event },
  token,
  leaseMs: 200,
  from: 'live',
})
const requests = (count: number, name = 'e'): readonly ClaimRequest[] =>
  Array.from({ length: count }, (_, index) => request(`${name}${index}`))

async function claimed(store: RedisIdempotency, asked: readonly ClaimRequest[]): Promise<readonly Claim[]> {
  const answers = await store.claim(asked)
  return asked.map((one, index) => {
    const answer = answers[index]
    if (answer?.is !== 'mine') throw new Error(`${one.identity.event} is ${answer?.is}`)
    return { identity: one.identity, token: one.token, fence: answer.fence }
  })
}

async function handled(store: RedisIdempotency, asked: readonly ClaimRequest[]): Promise<void> {
  const claims = await claimed(store, asked)
  expect(await store.complete(claims)).toEqual(asked.map(() => true))
}

async function commandsOf(redis: Redis): Promise<ReadonlyMap<string, number>> {
  const stats = await redis.info('commandstats')
  return new Map(
    [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]),
  )
}

describe('what Redis is asked for', () => {
  it('is one script for everything in a call, and never KEYS, SCAN or MULTI', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis })
    const claims = await claimed(store, requests(100))
    await test.redis.config('RESETSTAT')
    await claimed(store, requests(100, 'f'))
    await store.extend(claims, 1000)
    await store.complete(claims.slice(0, 40))
    await store.hold(claims.slice(40, 80))
    await store.release(claims.slice(80))
    const commands = await commandsOf(test.redis)
    expect((commands.get('evalsha') ?? 0) - (commands.get('eval') ?? 0)).toBe(5 - 4) // four were new to Redis
    const inScripts = ['time', 'get', 'set', 'hget', 'hset', 'hsetnx', 'hlen', 'hdel', 'pexpireat']
    const asked = [...commands.keys()].filter(name => !/^(?:evalsha|eval|info|config.*)$/.test(name))
    expect(asked.toSorted()).toEqual(inScripts.toSorted())
  })

  it('comes to every node of a cluster, by keys that all nodes find', async () => {
    await using test = await testRedis({ nodes: 3 })
    const cluster = new Cluster([test.server.url])
    const store = redisIdempotency({ redis: cluster })
    await handled(store, requests(500))
    expect((await store.claim(requests(500))).every(answer => answer.is === 'done')).toBe(true)
    const sizes = await Promise.all(cluster.nodes('master').map(node => node.dbsize()))
    expect(sizes).toHaveLength(3)
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    cluster.disconnect()
  })

  it('goes on after the scripts were flushed', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis })
    const claims = await claimed(store, requests(10))
    await test.redis.script('FLUSH')
    expect(await store.complete(claims)).toEqual(claims.map(() => true))
    await test.redis.script('FLUSH')
    expect((await store.claim(requests(10))).map(answer => answer.is)).toEqual(claims.map(() => 'done'))
  })
})

describe('what is remembered', () => {
  it('takes less than 48 bytes an event, in listpacks only, also while it grows', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis, buckets: 2 })
    for (let portion = 0; portion < 40; portion++) await handled(store, requests(1000, `${portion}/`))
    const pages = (await test.redis.keys('{mekong:*}:*')).map(async key => ({
      encoding: await test.redis.object('ENCODING', key),
      bytes: (await test.redis.memory('USAGE', key)) ?? 0,
      records: await test.redis.hlen(key),
      ttl: await test.redis.pttl(key),
    }))
    const found = await Promise.all(pages)
    expect(new Set(found.map(page => page.encoding))).toEqual(new Set(['listpack']))
    const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0)
    expect(sum(found.map(page => page.records))).toBe(40_000)
    expect(sum(found.map(page => page.bytes)) / 40_000).toBeLessThan(48)
    expect(Math.min(...found.map(page => page.ttl))).toBeGreaterThan(store.retentionMs)
    expect(Math.max(...found.map(page => page.ttl))).toBeLessThanOrEqual(store.retentionMs * 1.5)
  })

  it('is there for the retention, whichever slice it is in, and gone from Redis after it', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis, retentionMs: 1500 })
    const handledAt: number[] = []
    // Over more than one slice of half a retention.
    for (let event = 0; event < 6; event++) {
      handledAt.push(await redisNow(test.redis))
      await handled(store, [request(`e${event}`)])
      await passTime(test.redis, 200)
    }
    const answers = await store.claim(requests(6))
    const now = await redisNow(test.redis)
    const within = handledAt.flatMap((at, event) => (now - at < 1500 ? [answers[event]?.is] : []))
    expect(within).toEqual(within.map(() => 'done'))
    expect(answers[5]).toEqual({ is: 'done' })
    await passTime(test.redis, 3000)
    expect((await store.claim([request('e0')]))[0]?.is).toBe('mine')
    await passTime(test.redis, 4600)
    expect(await test.redis.dbsize()).toBe(0)
  })

  it('moves with each step to the newest slice, so that what is extended for long is not forgotten', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis, retentionMs: 600 })
    const claims = await claimed(store, [request('long')])
    for (let step = 0; step < 12; step++) {
      await passTime(test.redis, 100)
      expect(await store.extend(claims, 600)).toEqual([true])
    }
    expect((await store.claim([request('long', 'another')]))[0]?.is).toBe('busy')
    expect(await store.complete(claims)).toEqual([true])
    expect((await store.claim([request('long', 'another')]))[0]?.is).toBe('done')
  })

  it('is kept for the longer of two retentions by both stores', async () => {
    await using test = await testRedis()
    const long = redisIdempotency({ redis: test.redis, retentionMs: 60_000, buckets: 1 })
    const short = redisIdempotency({ redis: test.redis, retentionMs: 300, buckets: 1 })
    await handled(long, [request('a')])
    await passTime(test.redis, 700)
    await handled(short, [request('b')])
    expect((await long.claim([request('a'), request('b')])).map(answer => answer.is)).toEqual(['done', 'done'])
  })

  it('is apart from what another prefix remembers', async () => {
    await using test = await testRedis()
    await handled(redisIdempotency({ redis: test.redis }), [request('a')])
    const other = redisIdempotency({ redis: test.redis, prefix: 'mekong:staging' })
    expect((await other.claim([request('a')]))[0]?.is).toBe('mine')
  })
})

describe('after FLUSHALL', () => {
  it('fences are higher than all before', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis })
    const before = await claimed(store, requests(1000))
    await test.redis.flushall()
    const after = await claimed(store, requests(1000))
    expect(Math.min(...after.map(claim => claim.fence))).toBeGreaterThan(Math.max(...before.map(claim => claim.fence)))
  })

  it('a claim that nobody took meanwhile is as good as before, by the next that is asked of it', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis })
    const [running, ending, holding] = (await claimed(store, requests(3))) as [Claim, Claim, Claim]
    await test.redis.flushall()
    expect(await store.extend([running], 60_000)).toEqual([true])
    expect(await store.complete([ending])).toEqual([true])
    expect(await store.hold([holding])).toEqual([true])
    const others = [0, 1, 2].map(index => request(`e${index}`, 'another'))
    expect((await store.claim(others)).map(answer => answer.is)).toEqual(['busy', 'done', 'held'])
    expect(await store.complete([running])).toEqual([true])
  })

  it('a claim that somebody took meanwhile is fenced', async () => {
    await using test = await testRedis()
    const store = redisIdempotency({ redis: test.redis })
    const zombies = await claimed(store, requests(4))
    await test.redis.flushall()
    const heirs = await claimed(
      store,
      [0, 1, 2, 3].map(index => request(`e${index}`, 'heir')),
    )
    expect(await store.extend(zombies, 60_000)).toEqual([false, false, false, false])
    expect(await store.complete(zombies)).toEqual([false, false, false, false])
    expect(await store.hold(zombies)).toEqual([false, false, false, false])
    await store.release(zombies)
    expect(await store.complete(heirs)).toEqual([true, true, true, true])
  })
})

describe('a client of the store', () => {
  it('logs in by the password of the URL, which no error shows', async () => {
    await using test = await testRedis({ password: 'tr0ub4dor' })
    await using store = redisIdempotency({ redis: test.server.url })
    await handled(store, requests(3))
    const wrong = test.server.url.replace('tr0ub4dor', 's3cret')
    await using refused = redisIdempotency({ redis: wrong, deadlineMs: 300 })
    const failure: unknown = await refused.claim([request('a')]).then(undefined, (error: unknown) => error)
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('WRONGPASS') })
    expect(String(failure)).not.toMatch(/s3cret/)
  })

  it('needs no more than the permissions that the README gives', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const acl = /^ {4}ACL SETUSER inventory (.+)$/m.exec(readme)?.[1]?.split(' ') ?? []
    await using test = await testRedis()
    await test.redis.acl('SETUSER', 'inventory', 'reset', ...acl)
    const url = test.server.url.replace('redis://', 'redis://inventory:password@')
    await using store = redisIdempotency({ redis: url, retentionMs: 300 })
    const [first, second, third] = (await claimed(store, requests(3))) as [Claim, Claim, Claim]
    expect(await store.extend([first], 100)).toEqual([true])
    expect(await store.hold([second])).toEqual([true])
    await store.release([third])
    await passTime(test.redis, 200)
    expect(await store.complete([first])).toEqual([true])
    expect(await store.check()).toEqual([])
    const same = new Redis(url)
    await expect(same.set('other', '1')).rejects.toThrow('NOPERM')
    same.disconnect()
  })

  it('waits for its connection, so that the first call needs no second', async () => {
    await using test = await testRedis()
    await using store = redisIdempotency({ redis: { port: Number(new URL(test.server.url).port) } })
    await handled(store, requests(3))
  })
})

it('says at start what in the settings of Redis forgets', async () => {
  await using test = await testRedis({
    settings: { appendonly: false, maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' },
  })
  const heard: string[] = []
  const both = Promise.withResolvers<void>()
  const store = redisIdempotency({
    redis: test.redis,
    observe(signal) {
      if (signal.is === 'notice') heard.push(signal.message)
      if (heard.length === 2) both.resolve()
    },
  })
  await handled(store, requests(1))
  await both.promise
  expect(heard).toEqual([expect.stringContaining('noeviction'), expect.stringContaining('appendonly')])
  expect(await store.check()).toHaveLength(2)
})
