import assert from 'node:assert/strict'
import type { HoldScene } from './hold-scene.ts'
import { assertSame } from './hold-writing-cases.ts'
import { LONG_LEASE_MS, times, type StoreCaseGroup } from './store-case.ts'

export const administration: StoreCaseGroup<HoldScene> = {
  name: 'what a person does',
  cases: [
    {
      name: 'lists page by page, oldest first, each event once, also when events come meanwhile',
      run: async scene => {
        await scene.hold(...times(5, index => scene.event(`e${index}`, { key: `k${index}` })))
        const { group } = scene.scope
        const names: string[] = []
        let after: string | undefined
        do {
          const page = await scene.store.list({ group }, { after, limit: 2 })
          assert.ok(page.events.length <= 2)
          names.push(...page.events.map(({ event }) => event))
          if (after === undefined) await scene.hold(scene.event('late', { key: 'late' }))
          after = page.next
        } while (after !== undefined)
        assert.deepEqual(names, ['e0', 'e1', 'e2', 'e3', 'e4', 'late'])
      },
    },
    {
      name: 'has no next page when the last one is just full, and none where nothing matches',
      run: async scene => {
        await scene.hold(scene.event('a'), scene.event('b'))
        const { group } = scene.scope
        assert.equal((await scene.store.list({ group }, { limit: 2 })).next, undefined)
        assert.deepEqual(await scene.store.list({ group: `${group}-other` }, { limit: 2 }), {
          events: [],
          next: undefined,
        })
      },
    },
    {
      name: 'filters by subscription, key, event and state, and by all of them',
      run: async scene => {
        const other = { ...scene.scope, subscription: 'order.cancelled' }
        await scene.hold(
          scene.event('a', { key: 'k1' }),
          await scene.delayed('b', 60_000, { key: 'k2' }),
          scene.event('a', { key: 'k1', scope: other }),
          scene.event('d', { key: undefined }),
        )
        await scene.append(scene.event('c', { key: 'k1' }))
        assert.deepEqual(await scene.names({ subscription: 'order.created' }), ['a', 'b', 'd', 'c'])
        assert.deepEqual(await scene.names({ key: 'k1' }), ['a', 'a', 'c'])
        assert.deepEqual(await scene.names({ event: 'b' }), ['b'])
        assert.deepEqual(await scene.names({ state: 'parked' }), ['c'])
        assert.deepEqual(await scene.names({ subscription: 'order.created', key: 'k1', state: 'dead' }), ['a'])
        assert.deepEqual(await scene.names({ key: 'd' }), [])
      },
    },
    {
      name: 'makes a dead head due by a redrive, and what is parked behind it follows',
      run: async scene => {
        const dead = scene.event('a')
        await scene.hold(dead)
        await scene.append(scene.event('b'))
        assert.equal(await scene.redrive({ event: 'a' }), 1)
        assert.ok(((await scene.store.nextDueAt(scene.scope)) ?? Infinity) <= (await scene.harness.now()) + 1)
        const lease = await scene.leaseOne()
        assert.equal((await scene.store.head(lease))?.attempts, dead.attempts)
        assert.deepEqual(await scene.run(lease), ['a', 'b'])
      },
    },
    {
      name: 'makes a delayed head due before its time by a redrive',
      run: async scene => {
        await scene.hold(await scene.delayed('a', LONG_LEASE_MS))
        assert.equal(await scene.redrive(), 1)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a'])
      },
    },
    {
      name: 'redrives what matches and nothing else, and counts it',
      run: async scene => {
        await scene.hold(...['k1', 'k2', 'k3'].map(key => scene.event(`of ${key}`, { key })))
        assert.equal(await scene.redrive({ key: 'k2' }), 1)
        assert.deepEqual(
          (await scene.leaseDue()).map(({ lane }) => lane),
          ['k2'],
        )
        assert.equal(await scene.redrive({ state: 'delayed' }), 0)
        assert.equal(await scene.redrive({ subscription: 'nobody' }), 0)
        assert.equal(await scene.store.redrive({ group: 'nobody' }), 0)
        assert.deepEqual(await scene.leaseDue(), [])
      },
    },
    {
      name: 'redrives no parked event: it waits for the one before it',
      run: async scene => {
        await scene.hold(scene.event('a'))
        await scene.append(scene.event('b'))
        assert.equal(await scene.redrive({ event: 'b' }), 0)
        assert.deepEqual(await scene.leaseDue(), [])
      },
    },
    {
      name: 'redrives a dead event behind another only when it is the head',
      run: async scene => {
        await scene.hold(scene.event('a'), scene.event('b'))
        assert.equal(await scene.redrive({ event: 'b' }), 0)
        assert.equal(await scene.redrive(), 1)
        const lease = await scene.leaseOne()
        assert.deepEqual(await scene.run(lease), ['a'])
        assert.equal(await scene.store.head(lease), undefined)
        await scene.store.release(lease)
        assert.equal(await scene.redrive({ event: 'b' }), 1)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['b'])
      },
    },
    {
      name: 'runs a redriven event again after its runner died',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(scene.event('a'))
        await scene.redrive()
        await scene.leaseOne({ owner: 'dead', leaseMs: shortLeaseMs })
        await scene.harness.passTime(shortLeaseMs + 1)
        assert.deepEqual(await scene.run(await scene.leaseOne({ owner: 'heir' })), ['a'])
      },
    },
    {
      name: 'redrives once: a head that fails again is dead again',
      run: async scene => {
        await scene.hold(scene.event('a'))
        await scene.redrive()
        await scene.store.keep(await scene.leaseOne(), scene.event('a', { fence: 2 }))
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(await scene.store.nextDueAt(scene.scope), undefined)
      },
    },
    {
      name: 'makes what is parked behind a discarded head due',
      run: async scene => {
        await scene.hold(scene.event('a'))
        await scene.append(scene.event('b'), scene.event('c'))
        assert.equal(await scene.discard({ event: 'a' }), 1)
        assert.deepEqual(await scene.names(), ['b', 'c'])
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['b', 'c'])
      },
    },
    {
      name: 'discards what matches and nothing else, counts it, and unparks a key without events',
      run: async scene => {
        await scene.hold(
          scene.event('a', { key: 'k1' }),
          scene.event('b', { key: 'k2' }),
          scene.event('c', { key: undefined }),
        )
        await scene.append(scene.event('d', { key: 'k1' }), scene.event('e', { key: 'k1' }))
        assert.equal(await scene.discard({ event: 'd' }), 1)
        assert.equal(await scene.discard({ key: 'k2' }), 1)
        assert.equal(await scene.discard({ event: 'nothing' }), 0)
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), ['k1'])
        assert.deepEqual(await scene.names(), ['a', 'c', 'e'])
        assert.equal(await scene.discard(), 3)
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), [])
        assert.deepEqual(await scene.append(scene.event('f', { key: 'k1' })), ['not-parked'])
      },
    },
    {
      name: 'keeps a key parked whose running event is discarded, until its runner is done',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne()
        assert.equal(await scene.discard(), 1)
        assert.equal(await scene.isParked(), true)
        assert.deepEqual(await scene.append(scene.event('b')), ['appended'])
        assert.equal(await scene.store.finish(lease, 'a'), 'more')
        assert.deepEqual(await scene.run(lease), ['b'])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'does not bring a discarded event back when its runner keeps it, and frees its key',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne()
        await scene.discard()
        assert.equal(await scene.store.keep(lease, scene.event('a', { fence: 2 })), true)
        assert.deepEqual(await scene.names(), [])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'frees a key whose events are discarded when its lease is released, or when it expires',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne()
        await scene.discard()
        await scene.store.release(lease)
        assert.equal(await scene.isParked(), false)
        await scene.hold(await scene.delayed('b', 0))
        await scene.leaseOne({ owner: 'dead', leaseMs: shortLeaseMs })
        await scene.discard()
        await scene.harness.passTime(shortLeaseMs + 1)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'is not changed by those who look',
      run: async scene => {
        const event = scene.event('a')
        await scene.hold(event)
        await scene.list()
        await scene.store.lookup(scene.scope, [{ event: 'a', key: 'k' }])
        await scene.store.nextDueAt(scene.scope)
        assertSame(await scene.list(), [event])
      },
    },
  ],
}
