import assert from 'node:assert/strict'
import { virtualClock } from '@mekong/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Claim, ClaimAnswer, ClaimRequest, IdempotencyStore } from '../../src/idempotency/idempotency-store.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'

const request = (event: string, token: string, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  identity: { scope: 'inventory/order.created', event },
  token,
  leaseMs: 1000,
  from: 'live',
  ...more,
})

async function complete(store: IdempotencyStore, event: string): Promise<Claim> {
  const asked = request(event, event)
  const [answer] = await store.claim([asked])
  if (answer?.is !== 'mine') throw new Error(`the claim of ${event} is ${answer?.is}`)
  const claim = { ...asked, fence: answer.fence }
  await store.complete([claim])
  return claim
}

const kindOf = async (store: IdempotencyStore, event: string): Promise<string | undefined> =>
  (await store.claim([request(event, 'other')]))[0]?.is

it('remembers a completed identity for its retention and forgets it then, with a higher fence for the next', async () => {
  const clock = virtualClock()
  const store = memoryIdempotency({ clock, retentionMs: 10_000 })
  const { fence } = await complete(store, 'a')
  await clock.advance(9999)
  expect(await kindOf(store, 'a')).toBe('done')
  await clock.advance(1)
  const [answer] = await store.claim([request('a', 'next')])
  expect(answer).toMatchObject({ is: 'mine', takeover: false })
  expect(answer?.is === 'mine' && answer.fence > fence).toBe(true)
})

it('remembers that a lease expired for as long', async () => {
  const clock = virtualClock()
  const store = memoryIdempotency({ clock, retentionMs: 10_000 })
  await store.claim([request('a', 'dead')])
  await clock.advance(10_999)
  expect((await store.claim([request('a', 'heir', { leaseMs: 1 })]))[0]).toMatchObject({ takeover: true })
  await clock.advance(10_001)
  expect((await store.claim([request('a', 'next')]))[0]).toMatchObject({ takeover: false })
})

it('forgets the oldest of what is done when it is full, never what is in progress', async () => {
  const store = memoryIdempotency({ clock: virtualClock(), maxEntries: 3 })
  await store.claim([request('running', 'running')])
  for (const event of ['a', 'b', 'c']) await complete(store, event)
  expect([await kindOf(store, 'running'), await kindOf(store, 'c')]).toEqual(['busy', 'done'])
  expect(await kindOf(store, 'a')).toBe('mine')
})

it('rejects claims when everything is in progress, so that deliveries wait', async () => {
  const store = memoryIdempotency({ clock: virtualClock(), maxEntries: 2 })
  await store.claim([request('a', 'a'), request('b', 'b')])
  await expect(store.claim([request('c', 'c')])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
  expect((await store.claim([request('a', 'a')]))[0]?.is).toBe('mine')
})

it('begins above the fences of an earlier process, whose held records may have survived it', async () => {
  const clock = virtualClock({ startAt: 1_700_000_000_000 })
  const { fence } = await complete(memoryIdempotency({ clock }), 'a')
  await clock.advance(1)
  expect((await complete(memoryIdempotency({ clock }), 'a')).fence).toBeGreaterThan(fence)
})

it('refuses options that make no sense', () => {
  expect(() => memoryIdempotency({ retentionMs: 0 })).toThrow(
    'memoryIdempotency: retentionMs must be a positive integer',
  )
  expect(() => memoryIdempotency({ maxEntries: 1.5 })).toThrow(
    'memoryIdempotency: maxEntries must be a positive integer',
  )
})

/** What was granted for one identity, in order; every answer follows from reading it from the start. */
class History {
  readonly #grants: {
    token: string
    fence: number
    until: number
    takeover: boolean
    end?: 'completed' | 'held' | 'released'
  }[] = []

  claim({ token, leaseMs, from }: ClaimRequest, now: number, fence: number): ClaimAnswer {
    const state = this.#state(now)
    const last = this.#grants.at(-1)
    if (state === 'completed') return { is: 'done' }
    if (state === 'held' && from === 'live') return { is: 'held' }
    if (last?.end === undefined && last?.token === token) {
      last.until = now + leaseMs
      return { is: 'mine', fence: last.fence, takeover: last.takeover }
    }
    if (state === 'busy') return { is: 'busy', forMs: last!.until - now }
    assert.ok(fence > (this.#grants.at(-1)?.fence ?? 0))
    const grant = { token, fence, until: now + leaseMs, takeover: state === 'expired' }
    this.#grants.push(grant)
    return { is: 'mine', fence: grant.fence, takeover: grant.takeover }
  }

  /** Whether this fence is the last that was granted, and its claim has not ended. */
  #open(fence: number): boolean {
    const last = this.#grants.at(-1)
    return last?.fence === fence && last.end === undefined
  }

  end(fence: number, end: 'completed' | 'held'): boolean {
    if (!this.#open(fence)) return this.#grants.at(-1)?.fence === fence && this.#grants.at(-1)?.end === end
    this.#grants.at(-1)!.end = end
    return true
  }

  release(fence: number): void {
    if (this.#open(fence)) this.#grants.at(-1)!.end = 'released'
  }

  extend(fence: number, until: number): boolean {
    if (this.#open(fence)) this.#grants.at(-1)!.until = until
    const last = this.#grants.at(-1)
    return last?.fence === fence && last.end !== 'released'
  }

  /** A claim that was given back counts as if it had never been. */
  #state(now: number): 'absent' | 'busy' | 'expired' | 'completed' | 'held' {
    const last = this.#grants.findLast(({ end }) => end !== 'released')
    if (last === undefined) return 'absent'
    if (last.end === 'completed' || last.end === 'held') return last.end
    return last === this.#grants.at(-1) && now < last.until ? 'busy' : 'expired'
  }
}

it('answers every sequence of calls as reading the whole history does', async () => {
  const event = fc.constantFrom('a', 'b')
  const leaseMs = fc.integer({ min: 1, max: 30 })
  // A claim to act on, of all that were ever granted: zombies act too.
  const which = fc.nat()
  const step = fc.oneof(
    fc.record({
      call: fc.constant('claim' as const),
      event,
      leaseMs,
      token: fc.constantFrom('x', 'y', 'z', 'new'),
      from: fc.constantFrom('live' as const, 'held' as const),
    }),
    fc.record({ call: fc.constantFrom('complete' as const, 'hold' as const, 'release' as const), which }),
    fc.record({ call: fc.constant('extend' as const), which, leaseMs }),
    fc.record({ call: fc.constant('pass' as const), leaseMs }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async steps => {
      const clock = virtualClock({ startAt: 1_700_000_000_000 })
      const store = memoryIdempotency({ clock })
      const histories = new Map(['a', 'b'].map(name => [name, new History()]))
      const claims: Claim[] = []
      let tokens = 0
      for (const one of steps) {
        const claim = 'which' in one ? claims[one.which % claims.length] : undefined
        const history = claim && histories.get(claim.identity.event)!
        switch (one.call) {
          case 'pass':
            await clock.advance(one.leaseMs)
            break
          case 'claim': {
            const asked = request(one.event, one.token === 'new' ? `new ${tokens++}` : one.token, {
              leaseMs: one.leaseMs,
              from: one.from,
            })
            const [answer] = await store.claim([asked])
            const fence = answer?.is === 'mine' ? answer.fence : 0
            assert.deepEqual(answer, histories.get(one.event)!.claim(asked, clock.monotonic(), fence))
            if (answer?.is === 'mine') claims.push({ ...asked, fence: answer.fence })
            break
          }
          case 'complete':
          case 'hold':
            if (claim === undefined) break
            assert.deepEqual(await store[one.call]([claim]), [
              history!.end(claim.fence, one.call === 'hold' ? 'held' : 'completed'),
            ])
            break
          case 'release':
            if (claim === undefined) break
            await store.release([claim])
            history!.release(claim.fence)
            break
          case 'extend':
            if (claim === undefined) break
            assert.deepEqual(await store.extend([claim], one.leaseMs), [
              history!.extend(claim.fence, clock.monotonic() + one.leaseMs),
            ])
            break
        }
      }
    }),
    { numRuns: 200 },
  )
})
