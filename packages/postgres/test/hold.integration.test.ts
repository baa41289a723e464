import type { HeldEvent, HoldLease, HoldLimits, HoldScope, HoldStore } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { postgresHold } from '../src/index.ts'
import { testDatabase, type TestDatabase } from './database.ts'

const scope: HoldScope = { group: 'inventory', subscription: 'order.created' }
const limits: HoldLimits = { maxParkedKeys: 100, maxParkedPerKey: 100 }
const lease = { owner: 'a process', leaseMs: 60_000 }

function held(event: string, more: Partial<HeldEvent> = {}): HeldEvent {
  return {
    scope,
    event,
    key: 'k',
    state: 'parked',
    dueAt: undefined,
    message: {
      topic: 'orders',
      partition: '0',
      position: '1',
      messageId: undefined,
      key: 'k',
      headers: { 'ce-id': event },
      body: new Uint8Array([0, 1, 255]),
    },
    attempts: 1,
    reason: { code: 'Error', message: 'no' },
    heldAt: 1_700_000_000_123,
    fence: 1,
    ...more,
  }
}

async function leaseOf(store: HoldStore): Promise<HoldLease> {
  const [leased] = await store.leaseDue(scope, { ...lease, limit: 1 })
  if (leased === undefined) throw new Error('no lane is due')
  return leased
}

async function eventsOf(store: HoldStore): Promise<readonly string[]> {
  return (await store.list({ group: scope.group }, { limit: 1000 })).events.map(event => event.event)
}

async function withStore(): Promise<TestDatabase & { readonly store: HoldStore }> {
  // A connection for each step, as a pooler in transaction mode may give.
  const database = await testDatabase({ maxUses: 1 })
  return Object.assign(database, { store: postgresHold(database) })
}

describe('postgresHold', () => {
  it('gives an event back as it was, whatever is in its names, headers and body', async () => {
    await using database = await withStore()
    const { store } = database
    const odd = held('nul \0 and half a pair \ud800', {
      key: `quote ' " \\ \0 ${'long '.repeat(2000)}`,
      state: 'delayed',
      dueAt: 1_700_000_000_456,
      message: {
        topic: 'orders',
        partition: '0',
        position: '1',
        messageId: 'm\0',
        key: 'k\0',
        headers: { 'x-\0': '\ud800', __proto__x: '1' },
        body: new Uint8Array(70_000).map((_, index) => index),
      },
      reason: { code: 'Error', message: 'a NUL \0 in it' },
    })
    await store.hold(odd, limits)
    const [leased] = await store.leaseDue(scope, { ...lease, limit: 1 })
    expect(leased?.lane).toBe(odd.key)
    const head = await store.head(leased as HoldLease)
    expect({ ...head, message: { ...head?.message, body: undefined } }).toEqual({
      ...odd,
      message: { ...odd.message, body: undefined },
    })
    expect(Buffer.compare(head?.message.body ?? new Uint8Array(), odd.message.body)).toBe(0)
    expect(await store.lookup(scope, [{ event: odd.event, key: odd.key }])).toEqual(['held'])
    expect(await store.parkedKeys(scope)).toEqual([odd.key])
  })

  it('never loses an event that is appended while the last one before it is finished', async () => {
    await using database = await withStore()
    const { store } = database
    for (let round = 0; round < 25; round++) {
      const [first, second] = [`first ${round}`, `second ${round}`]
      await store.hold(held(first, { state: 'delayed', dueAt: 1 }), limits)
      const leased = await leaseOf(store)
      const [[appended], finished] = await Promise.all([
        store.appendIfParked([held(second)], limits),
        store.finish(leased, first),
      ])
      // Either it came in time and is there, or the key is free and it runs as any other.
      expect([appended, finished]).toEqual(appended === 'appended' ? ['appended', 'more'] : ['not-parked', 'unparked'])
      expect(await eventsOf(store)).toEqual(appended === 'appended' ? [second] : [])
      // Where it was not appended, it has nothing to finish, and the key is free all the same.
      expect(await store.finish(leased, second)).toBe('unparked')
    }
  })

  it('keeps one order for a key that several append to at once', async () => {
    await using database = await withStore()
    const { store } = database
    await store.hold(held('head', { state: 'dead' }), limits)
    const batches = Array.from({ length: 8 }, (_, batch) =>
      Array.from({ length: 5 }, (__, index) => held(`${batch}.${index}`)),
    )
    await Promise.all(batches.map(batch => store.appendIfParked(batch, limits)))
    const order = await eventsOf(store)
    for (const batch of batches) {
      const places = batch.map(event => order.indexOf(event.event))
      expect(places).toEqual(places.toSorted((a, b) => a - b))
      expect(places).not.toContain(-1)
    }
  })

  it('stays within its limits when many hold at once', async () => {
    await using database = await withStore()
    const { store } = database
    const tight: HoldLimits = { maxParkedKeys: 3, maxParkedPerKey: 4 }
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        store.hold(held(`e${index}`, { key: `k${index}`, state: 'dead' }), tight),
      ),
    )
    expect(answers.filter(answer => answer === 'held')).toHaveLength(3)
    const [key] = await store.parkedKeys(scope)
    const appended = await Promise.all(
      Array.from({ length: 10 }, (_, index) => store.appendIfParked([held(`more ${index}`, { key })], tight)),
    )
    expect(appended.flat().filter(answer => answer === 'appended')).toHaveLength(3)
    expect(appended.flat().filter(answer => answer === 'full')).toHaveLength(7)
  })

  it('leases a due lane to one only, with a fence that no lane has had before', async () => {
    await using database = await withStore()
    const { store } = database
    const fences: number[] = []
    for (let round = 0; round < 5; round++) {
      await store.hold(held(`e${round}`, { state: 'delayed', dueAt: 1 }), limits)
      const leases = await Promise.all(
        Array.from({ length: 6 }, (_, owner) =>
          store.leaseDue(scope, { owner: `${owner}`, leaseMs: 60_000, limit: 5 }),
        ),
      )
      const [leased, ...others] = leases.flat()
      expect(others).toEqual([])
      fences.push(leased!.fence)
      expect(await store.finish(leased!, `e${round}`)).toBe('unparked')
    }
    expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b))
  })

  it('refuses every step of a lease that was taken over', async () => {
    await using database = await withStore()
    const { store } = database
    await store.hold(held('e', { state: 'delayed', dueAt: 1 }), limits)
    const [stale] = await store.leaseDue(scope, { owner: 'zombie', leaseMs: 1, limit: 1 })
    let taken: readonly HoldLease[] = []
    while (taken.length === 0) taken = await store.leaseDue(scope, { ...lease, limit: 1 })
    expect(taken[0]!.fence).toBeGreaterThan(stale!.fence)
    expect(await store.extend([stale!, taken[0]!], 60_000)).toEqual([false, true])
    expect(await store.head(stale!)).toBeUndefined()
    expect(await store.keep(stale!, held('e', { state: 'dead' }))).toBe(false)
    expect(await store.finish(stale!, 'e')).toBe('lost')
    await store.release(stale!)
    expect((await store.head(taken[0]!))?.event).toBe('e')
  })

  it('may be asked each step twice, as after an answer that was lost', async () => {
    await using database = await withStore()
    const { store } = database
    const twice = async <T>(step: () => Promise<T>): Promise<T> => {
      const first = await step()
      expect(await step()).toEqual(first)
      return first
    }
    const spilled = await twice(() => store.spill([held('a'), held('b')], { ...lease, limits }))
    await twice(() => store.hold(held('a', { state: 'delayed', dueAt: 1 }), limits))
    await twice(() => store.appendIfParked([held('c')], limits))
    expect(await eventsOf(store)).toEqual(['a', 'b', 'c'])
    await twice(() => store.release(spilled!))
    const leased = await leaseOf(store)
    await twice(() => store.finish(leased, 'a'))
    await twice(() => store.keep(leased, held('b', { state: 'dead', attempts: 7 })))
    expect(await store.leaseDue(scope, { ...lease, limit: 1 })).toEqual([])
    await twice(() => store.redrive({ group: scope.group, key: 'k' }))
    const again = await leaseOf(store)
    expect(await store.head(again)).toMatchObject({ event: 'b', attempts: 7, state: 'dead' })
    await store.finish(again, 'b')
    await twice(() => store.finish(again, 'c'))
    expect(await store.parkedKeys(scope)).toEqual([])
  })

  it('lets a lane go on whose head is discarded, and frees a key that has nothing left', async () => {
    await using database = await withStore()
    const { store } = database
    await store.hold(held('a', { state: 'dead' }), limits)
    await store.appendIfParked([held('b')], limits)
    expect(await store.nextDueAt(scope)).toBeUndefined()
    expect(await store.discard({ group: scope.group, event: 'a' })).toBe(1)
    expect(await store.nextDueAt(scope)).toBeLessThanOrEqual(Date.now() + 60_000)
    expect((await store.head(await leaseOf(store)))?.event).toBe('b')
    expect(await store.discard({ group: scope.group })).toBe(1)
    expect(await store.finish({ ...lease, scope, lane: 'k', ordered: true, fence: 0, takeovers: 0 }, 'b')).not.toBe(
      'more',
    )
  })

  it('pages through what it holds, oldest first', async () => {
    await using database = await withStore()
    const { store } = database
    for (const event of ['a', 'b', 'c']) await store.hold(held(event, { key: undefined, state: 'dead' }), limits)
    const first = await store.list({ group: scope.group }, { limit: 2 })
    expect(first.events.map(event => event.event)).toEqual(['a', 'b'])
    const second = await store.list({ group: scope.group }, { limit: 1, after: first.next })
    expect([second.events.map(event => event.event), second.next]).toEqual([['c'], undefined])
    expect(await store.list({ group: 'another' }, { limit: 2 })).toEqual({ events: [], next: undefined })
  })
})
