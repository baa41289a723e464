import { EventEmitter } from 'node:events'
import type { Signal } from '@mekong/core'
import { virtualClock } from '@mekong/testing'
import { describe, expect, it } from 'vitest'
import { type RedisClient, redisIdempotency, type RedisIdempotencyOptions } from '../src/index.ts'

const request = (event: string) => ({
  identity: { scope: 'inventory', event },
  token: 't',
  leaseMs: 1000,
  from: 'live' as const,
})

/** A Redis that answers with what the test says. */
function fakeRedis(answer: (command: 'evalsha' | 'eval', keys: number) => unknown) {
  const commands: string[] = []
  const run = (command: 'evalsha' | 'eval') => async (_: string, keys: number) => {
    commands.push(command)
    return answer(command, keys)
  }
  const events = new EventEmitter()
  const client = Object.assign(events, {
    evalsha: run('evalsha'),
    eval: run('eval'),
    info: async () => 'aof_enabled:1',
  }) satisfies RedisClient
  return { client, commands, close: () => events.emit('close') }
}

const mine = (keys: number): number[] => [...Array.from({ length: keys }, () => 1), 0, 17]

describe('a call', () => {
  it('rejects by its deadline when the client never settles, and the next one is not affected', async () => {
    const clock = virtualClock()
    let isSilent = true
    const { client } = fakeRedis((_, keys) => (isSilent ? new Promise(() => {}) : mine(keys)))
    const store = redisIdempotency({ redis: client, deadlineMs: 500, clock })
    const failure = store.claim([request('a')]).catch((error: unknown) => error)
    await clock.advance(500)
    expect(await failure).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: true,
      message: 'redisIdempotency: claim: no answer within 500 ms',
    })
    isSilent = false
    expect(await store.claim([request('a')])).toEqual([{ is: 'mine', fence: 17, takeover: false }])
  })

  it('rejects when the connection closes, without waiting for the deadline', async () => {
    const { client, close } = fakeRedis(() => new Promise(() => {}))
    const store = redisIdempotency({ redis: client, clock: virtualClock() })
    const answer = store.claim([request('a')])
    close()
    await expect(answer).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
  })

  it('sends the script itself when Redis does not know it', async () => {
    const { client, commands } = fakeRedis((command, keys) => {
      if (command === 'evalsha') throw new Error('NOSCRIPT No matching script. Please use EVAL.')
      return mine(keys)
    })
    const store = redisIdempotency({ redis: client })
    expect((await store.claim([request('a')]))[0]?.is).toBe('mine')
    expect(commands).toEqual(['evalsha', 'eval'])
  })

  it('asks each bucket by itself from then on when a cluster hides behind a proxy', async () => {
    const { client, commands } = fakeRedis((_, keys) => {
      if (keys > 1) throw new Error("CROSSSLOT Keys in request don't hash to the same slot")
      return mine(keys)
    })
    const store = redisIdempotency({ redis: client, buckets: 2 })
    // Two that are in different buckets.
    const requests = [request('a'), request('b'), request('c'), request('d')]
    const pair = await firstInDifferentBuckets(requests)
    expect((await store.claim(pair)).map(answer => answer.is)).toEqual(['mine', 'mine'])
    expect(commands).toEqual(['evalsha', 'evalsha', 'evalsha'])
    await store.claim(pair)
    expect(commands).toHaveLength(5)
  })

  it('is not worth repeating where somebody has to change something first', async () => {
    const { client } = fakeRedis(() => {
      throw new Error("NOPERM User app has no permissions to run the 'evalsha' command")
    })
    await expect(redisIdempotency({ redis: client }).claim([request('a')])).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: false,
    })
  })

  it('rejects a reply that is not of its script', async () => {
    for (const reply of [null, 'OK', [], [1, 0], [1, 9, 9]]) {
      const store = redisIdempotency({ redis: fakeRedis(() => reply).client })
      await expect(store.claim([request('a')])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    }
  })

  it('rejects a lease that is longer than the retention, which could be forgotten before it ends', async () => {
    const store = redisIdempotency({ redis: fakeRedis((_, keys) => mine(keys)).client, retentionMs: 999 })
    await expect(store.claim([request('a')])).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
    await expect(store.extend([], 1000)).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
  })

  it('rejects once the store is closed, and what was in flight too; a given client stays as it is', async () => {
    const { client } = fakeRedis(() => new Promise(() => {}))
    const store = redisIdempotency({ redis: client })
    const answer = store.claim([request('a')])
    await store.close()
    await expect(answer).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(store.claim([request('a')])).rejects.toMatchObject({ code: 'INVALID_STATE' })
    expect(client.listenerCount('close')).toBe(0)
  })
})

describe('an observer', () => {
  it('hears once that Redis has lost its data', async () => {
    let epoch = 1
    const { client } = fakeRedis((_, keys) => mine(keys).map((number, place) => (place < keys ? epoch : number)))
    const heard: Signal[] = []
    const store = redisIdempotency({ redis: client, buckets: 1, observe: signal => heard.push(signal) })
    await store.claim([request('a')])
    expect(heard).toEqual([])
    epoch = 2
    await store.claim([request('a')])
    await store.claim([request('a')])
    expect(heard).toEqual([{ is: 'notice', message: expect.stringContaining('has lost what it remembered') }])
  })

  it('may throw: a claim that was granted stays granted', async () => {
    let epoch = 1
    const { client } = fakeRedis(() => [epoch++, 0, 17])
    const store = redisIdempotency({
      redis: client,
      buckets: 1,
      observe() {
        throw new Error('observer')
      },
    })
    await store.claim([request('a')])
    expect((await store.claim([request('a')]))[0]?.is).toBe('mine')
  })
})

describe('options', () => {
  it.each<[string, Partial<RedisIdempotencyOptions>]>([
    ['a retention of no time', { retentionMs: 0 }],
    ['a retention of part of a millisecond', { retentionMs: 0.5 }],
    ['a deadline that no timer can keep', { deadlineMs: 2 ** 31 }],
    ['more buckets than a call can name', { buckets: 257 }],
    ['a prefix that would change the slot of its keys', { prefix: 'a}b' }],
    ['an empty prefix', { prefix: '' }],
  ])('refuse %s', (_, options) => {
    const { client } = fakeRedis(() => [])
    expect(() => redisIdempotency({ redis: client, ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION' }),
    )
  })

  // From JavaScript, where nothing checks them before. ioredis would connect to 127.0.0.1:6379.
  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /redis is missing/],
    ['none that says which Redis', {}, /redis is missing/],
    ['null for it', { redis: null }, /redis is missing/],
    ['a port alone for it', { redis: 6379 }, /redis is missing/],
    ['a URL object for it', { redis: new URL('redis://127.0.0.1:1') }, /redis is missing/],
    ['a client of another library', { redis: new (class Client extends EventEmitter {})() }, /a client of ioredis/],
    ['options of another library', { redis: { url: 'redis://127.0.0.1:1' } }, /names no place/],
    ['options that say no place', { redis: { db: 3 } }, /names no place: give a URL, or .* host, port, path/],
    ['an option that is none', { url: 'redis://127.0.0.1:1' }, /url is not an option; the options are redis, /],
    ['a misspelt option', { redis: 'redis://127.0.0.1:1', retention: 5 }, /retention is not an option/],
  ])('refuse %s', (_, options, message) => {
    expect(() => redisIdempotency(options as RedisIdempotencyOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION', message: expect.stringMatching(message) }),
    )
  })

  it('refuse a URL that is none of Redis, and do not show it', () => {
    const refused = (): unknown => redisIdempotency({ redis: 'postgres://app:secret@db/orders' })
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }))
    expect(refused).not.toThrow(/secret/)
  })
})

async function firstInDifferentBuckets<T extends ReturnType<typeof request>>(
  requests: readonly T[],
): Promise<readonly T[]> {
  const { packItems } = await import('../src/parcel.ts')
  const bucketOf = (one: T): string | undefined =>
    packItems([{ ...one, flag: 0, number: 1 }], { heads: ['0', '1'], apart: false })[0]?.keys[0]
  const other = requests.find(one => bucketOf(one) !== bucketOf(requests[0]!))
  return [requests[0]!, other!]
}
