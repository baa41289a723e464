import assert from 'node:assert/strict'
import type { HoldLease } from '@mekong/core/driver'
import type { HoldScene } from './hold-scene.ts'
import { assertSame } from './hold-writing-cases.ts'
import { LONG_LEASE_MS, racers, times, type StoreCaseGroup } from './store-case.ts'

export const running: StoreCaseGroup<HoldScene> = {
  name: 'running held events',
  cases: [
    {
      name: 'makes a delayed event due at its time, not before',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        const event = await scene.delayed('a', shortLeaseMs)
        await scene.hold(event)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(Math.round((await scene.store.nextDueAt(scene.scope)) ?? 0), event.dueAt)
        await scene.harness.passTime(shortLeaseMs + 1)
        const lease = await scene.leaseOne()
        assert.deepEqual(
          { ...lease, fence: 0 },
          { scope: scene.scope, lane: 'k', ordered: true, owner: 'worker', fence: 0, takeovers: 0 },
        )
        assertSame(await scene.store.head(lease), event)
      },
    },
    {
      name: 'makes no dead event due: it needs a person',
      run: async scene => {
        await scene.hold(scene.event('a'))
        await scene.append(scene.event('b'))
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(await scene.store.nextDueAt(scene.scope), undefined)
      },
    },
    {
      name: 'knows nothing that waits for a time in an empty scope',
      run: async scene => {
        assert.equal(await scene.store.nextDueAt(scene.scope), undefined)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), [])
      },
    },
    {
      name: 'names the earliest of the times at which lanes fall due',
      run: async scene => {
        await scene.hold(await scene.delayed('late', 80_000, { key: 'k1' }), scene.event('dead', { key: 'k2' }))
        const soon = await scene.delayed('soon', 60_000, { key: 'k3' })
        await scene.hold(soon)
        assert.equal(Math.round((await scene.store.nextDueAt(scene.scope)) ?? 0), soon.dueAt)
        await scene.hold(await scene.delayed('now', 0, { key: 'k4' }))
        assert.ok(((await scene.store.nextDueAt(scene.scope)) ?? Infinity) < soon.dueAt!)
      },
    },
    {
      name: 'runs a lane in order to its end, and unparks the key with the last event',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const lease = await scene.leaseOne()
        assert.equal((await scene.store.head(lease))?.event, 'a')
        assert.equal(await scene.store.finish(lease, 'a'), 'more')
        assert.equal((await scene.store.head(lease))?.event, 'b')
        assert.equal(await scene.isParked(), true)
        assert.equal(await scene.store.finish(lease, 'b'), 'unparked')
        assert.deepEqual(await scene.store.lookup(scene.scope, [{ event: 'b', key: 'k' }]), ['free'])
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), [])
        assert.equal(await scene.store.head(lease), undefined)
      },
    },
    {
      name: 'finishes twice without harm: the answer may have been lost',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const lease = await scene.leaseOne()
        await scene.store.finish(lease, 'a')
        assert.equal(await scene.store.finish(lease, 'a'), 'more')
        assert.deepEqual(await scene.names(), ['b'])
        await scene.store.finish(lease, 'b')
        assert.equal(await scene.store.finish(lease, 'b'), 'unparked')
      },
    },
    {
      name: 'stops at a later event that is not due yet',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0), await scene.delayed('b', 60_000))
        const lease = await scene.leaseOne()
        assert.deepEqual(await scene.run(lease), ['a'])
        assert.equal(await scene.store.head(lease), undefined)
        await scene.store.release(lease)
        assert.deepEqual(await scene.leaseDue(), [])
      },
    },
    {
      name: 'leases a lane to one at a time',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.leaseOne()
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(await scene.leaseDue({ owner: 'other' }), [])
      },
    },
    {
      name: 'leases each of many due lanes to one of many who ask at once',
      run: async scene => {
        for (let lane = 0; lane < 10; lane++) await scene.hold(await scene.delayed(`e${lane}`, 0, { key: `k${lane}` }))
        const clients = await racers(scene.harness)
        const leased = await Promise.all(
          clients.map((store, index) => scene.leaseDue({ owner: `w${index}`, limit: 3 }, store)),
        )
        const first = leased.flat()
        const rest = await scene.leaseDue()
        const lanes = [...first, ...rest].map(({ lane }) => lane)
        assert.deepEqual(
          lanes.toSorted(),
          times(10, lane => `k${lane}`),
        )
        assert.equal(new Set([...first, ...rest].map(({ fence }) => fence)).size, 10, 'a fence was given twice')
        assert.ok(leased.every(({ length }) => length <= 3))
      },
    },
    {
      name: 'leases the oldest first, up to the limit',
      run: async scene => {
        const now = await scene.harness.now()
        for (const [index, lane] of ['third', 'first', 'second'].entries()) {
          const ageMs = { first: 3000, second: 2000, third: 1000 }[lane]!
          const dueAt = Math.round(now) - ageMs
          await scene.hold(scene.event(`e${index}`, { key: lane, state: 'delayed', dueAt, heldAt: dueAt - 1000 }))
        }
        assert.deepEqual(
          (await scene.leaseDue({ limit: 2 })).map(({ lane }) => lane),
          ['first', 'second'],
        )
        assert.deepEqual(
          (await scene.leaseDue({ limit: 2 })).map(({ lane }) => lane),
          ['third'],
        )
      },
    },
    {
      name: 'lets an expired lease be taken over with a higher fence, and refuses its old owner everything',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const zombie = await scene.leaseOne({ owner: 'zombie', leaseMs: shortLeaseMs })
        await scene.harness.passTime(shortLeaseMs + 1)
        const lease = await scene.leaseOne({ owner: 'heir' })
        assert.ok(lease.fence > zombie.fence)
        assert.deepEqual(await scene.store.extend([zombie, lease], LONG_LEASE_MS), [false, true])
        assert.equal(await scene.store.head(zombie), undefined)
        assert.equal(await scene.store.finish(zombie, 'a'), 'lost')
        assert.equal(await scene.store.keep(zombie, scene.event('a', { fence: 2 })), false)
        await scene.store.release(zombie)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(await scene.run(lease), ['a', 'b'])
      },
    },
    {
      name: 'counts the owners in a row whose leases ran out with the same head, and begins anew with the next',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const takeOver = async (owner: string): Promise<HoldLease> => {
          await scene.harness.passTime(shortLeaseMs + 1)
          return scene.leaseOne({ owner, leaseMs: shortLeaseMs })
        }
        assert.equal((await takeOver('p1')).takeovers, 0)
        assert.equal((await takeOver('p2')).takeovers, 1)
        // The same process lives, whatever kept it from extending its lease.
        assert.equal((await takeOver('p2')).takeovers, 1)
        const third = await takeOver('p3')
        assert.equal(third.takeovers, 2)
        assert.equal(await scene.store.finish(third, 'a'), 'more')
        const fourth = await takeOver('p4')
        assert.equal(fourth.takeovers, 1)
        await scene.store.release(fourth)
        assert.equal((await scene.leaseOne({ owner: 'p5' })).takeovers, 0)
      },
    },
    {
      name: 'keeps a lease that is extended',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne({ leaseMs: shortLeaseMs })
        assert.deepEqual(await scene.store.extend([lease], LONG_LEASE_MS), [true])
        assert.deepEqual(await scene.store.extend([], LONG_LEASE_MS), [])
        await scene.harness.passTime(shortLeaseMs + 1)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal((await scene.store.head(lease))?.event, 'a')
      },
    },
    {
      name: 'asks again when a lease ends: nextDueAt counts a leased lane from there',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        const now = await scene.harness.now()
        await scene.leaseOne({ leaseMs: LONG_LEASE_MS })
        const dueAt = await scene.store.nextDueAt(scene.scope)
        assert.ok(dueAt !== undefined && dueAt >= now + LONG_LEASE_MS / 2, `due at ${dueAt}, leased at ${now}`)
      },
    },
    {
      name: 'keeps a head that failed again in its place, delayed: the lease ends, what is behind it waits',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const lease = await scene.leaseOne()
        const failed = await scene.delayed('a', shortLeaseMs, {
          fence: 2,
          attempts: 4,
          reason: { code: 'Error', message: 'again' },
        })
        assert.equal(await scene.store.keep(lease, failed), true)
        assert.deepEqual(await scene.store.extend([lease], LONG_LEASE_MS), [false])
        assert.deepEqual(await scene.leaseDue(), [])
        assertSame((await scene.list())[0], failed)
        await scene.harness.passTime(shortLeaseMs + 1)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a', 'b'])
      },
    },
    {
      name: 'keeps a head that failed for the last time as dead, and what is parked behind it stays so',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        assert.equal(await scene.store.keep(await scene.leaseOne(), scene.event('a', { fence: 2 })), true)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(
          (await scene.list()).map(({ state }) => state),
          ['dead', 'parked'],
        )
        assert.equal(await scene.isParked(), true)
      },
    },
    {
      name: 'keeps a parked event that failed as the head of its lane, also before what fails later ahead of it',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'), scene.event('c'))
        const lease = await scene.leaseOne()
        await scene.store.finish(lease, 'a')
        assert.equal(await scene.store.keep(lease, await scene.delayed('b', 0, { fence: 2 })), true)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['b', 'c'])
      },
    },
    {
      name: 'keeps twice without harm: the answer may have been lost',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne()
        const failed = await scene.delayed('a', 60_000, { fence: 2 })
        assert.equal(await scene.store.keep(lease, failed), true)
        assert.equal(await scene.store.keep(lease, failed), true)
        assertSame(await scene.list(), [failed])
      },
    },
    {
      name: 'sets a dead head aside in a lane of its own, without a key, and goes on with the lane',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'), scene.event('c'))
        const lease = await scene.leaseOne()
        const dead = scene.event('a', { key: undefined, fence: 2, attempts: 5 })
        assert.equal(await scene.store.setAside(lease, dead), 'more')
        assert.equal(await scene.store.setAside(lease, dead), 'more')
        assert.deepEqual(await scene.run(lease), ['b', 'c'])
        assert.equal(await scene.isParked(), false)
        assertSame(await scene.list(), [dead])
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(await scene.redrive({ event: 'a' }), 1)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a'])
      },
    },
    {
      name: 'unparks a key whose last event is set aside, and says so again after a lost reply',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        const lease = await scene.leaseOne()
        const dead = scene.event('a', { key: undefined, fence: 2 })
        assert.equal(await scene.store.setAside(lease, dead), 'unparked')
        assert.equal(await scene.store.setAside(lease, dead), 'unparked')
        assert.deepEqual(await scene.append(scene.event('b')), ['not-parked'])
        assert.deepEqual(await scene.store.lookup(scene.scope, [{ event: 'a', key: 'k' }]), ['held'])
      },
    },
    {
      name: 'sets nothing aside for an owner who lost the lease, nor what was discarded',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        const event = await scene.delayed('a', 0)
        await scene.hold(event)
        const zombie = await scene.leaseOne({ owner: 'zombie', leaseMs: shortLeaseMs })
        await scene.harness.passTime(shortLeaseMs + 1)
        const lease = await scene.leaseOne({ owner: 'heir' })
        const dead = scene.event('a', { key: undefined, fence: 2 })
        assert.equal(await scene.store.setAside(zombie, dead), 'lost')
        assertSame(await scene.list(), [event])
        await scene.discard()
        assert.equal(await scene.store.setAside(lease, dead), 'unparked')
        assert.deepEqual(await scene.names(), [])
      },
    },
    {
      name: 'sets nothing aside under a claim with a lower fence than the record has',
      run: async scene => {
        const event = await scene.delayed('a', 0, { fence: 5 })
        await scene.hold(event)
        const lease = await scene.leaseOne()
        assert.equal(await scene.store.setAside(lease, scene.event('a', { key: undefined, fence: 4 })), 'lost')
        assertSame(await scene.list(), [event])
        assert.deepEqual(await scene.run(lease), ['a'])
      },
    },
    {
      name: 'finds what was set aside in its old place, and lets a person discard it without a word to its old lane',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0), scene.event('other', { key: 'k2' }))
        await scene.append(scene.event('b'))
        const lease = await scene.leaseOne()
        const dead = scene.event('a', { key: undefined, fence: 2 })
        await scene.store.setAside(lease, dead)
        assert.deepEqual(await scene.names(), ['a', 'other', 'b'])
        assert.deepEqual(await scene.names({ state: 'dead' }), ['a', 'other'])
        assertSame(await scene.list({ subscription: scene.scope.subscription, event: 'a' }), [dead])
        assert.deepEqual(await scene.names({ key: 'k' }), ['b'])
        assert.equal(await scene.redrive({ key: 'k' }), 0)
        assert.equal(await scene.discard({ event: 'a' }), 1)
        assert.equal(await scene.isParked(), true)
        assert.deepEqual(await scene.run(lease), ['b'])
        assert.deepEqual(await scene.names(), ['other'])
      },
    },
    {
      name: 'runs what was set aside beside its key, which waits for nothing of it',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const lease = await scene.leaseOne()
        const dead = scene.event('a', { key: undefined, fence: 2 })
        await scene.store.setAside(lease, dead)
        assert.equal(await scene.redrive({ event: 'a' }), 1)
        // The first answer was lost: asked again, it takes the redrive back from nobody.
        assert.equal(await scene.store.setAside(lease, dead), 'more')
        const own = await scene.leaseOne({ owner: 'another' })
        assert.deepEqual({ lane: own.lane, ordered: own.ordered }, { lane: 'a', ordered: false })
        assert.equal(await scene.store.keep(own, scene.event('a', { key: undefined, fence: 3 })), true)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(await scene.run(lease), ['b'])
        await scene.redrive()
        assert.equal(await scene.store.finish(await scene.leaseOne(), 'a'), 'unparked')
        assert.deepEqual(await scene.names(), [])
      },
    },
    {
      name: 'holds again what was set aside where it is, without parking the key it had',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.store.setAside(await scene.leaseOne(), scene.event('a', { key: undefined, fence: 2 }))
        const again = scene.event('a', { fence: 3, attempts: 9 })
        await scene.hold(again)
        assertSame(await scene.list(), [{ ...again, key: undefined }])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'leases no lane whose head is not due, whatever made it the head',
      run: async scene => {
        const restsWith = async (names: readonly string[]): Promise<void> => {
          assert.deepEqual(await scene.leaseDue(), [])
          assert.deepEqual(await scene.names(), names)
        }
        const later = await scene.delayed('c', LONG_LEASE_MS)
        await scene.hold(
          await scene.delayed('a', 0),
          scene.event('b'),
          later,
          scene.event('d'),
          await scene.delayed('e', 0),
        )
        const first = await scene.leaseOne()
        assert.equal(await scene.store.setAside(first, scene.event('a', { key: undefined, fence: 2 })), 'more')
        assert.equal(await scene.store.head(first), undefined)
        await scene.store.release(first)
        await restsWith(['a', 'b', 'c', 'd', 'e'])
        assert.equal(await scene.store.nextDueAt(scene.scope), undefined)
        await scene.discard({ event: 'b' })
        await restsWith(['a', 'c', 'd', 'e'])
        assert.equal(Math.round((await scene.store.nextDueAt(scene.scope)) ?? 0), later.dueAt)
        await scene.redrive({ event: 'c' })
        await scene.hold(scene.event('c', { fence: 2 }))
        await restsWith(['a', 'c', 'd', 'e'])
        await scene.redrive({ event: 'c' })
        const second = await scene.leaseOne()
        assert.deepEqual(await scene.run(second), ['c'])
        await scene.store.release(second)
        await restsWith(['a', 'd', 'e'])
        await scene.discard({ event: 'd' })
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['e'])
        await restsWith(['a'])
      },
    },
    {
      name: 'leaves due what is released before it is done',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        await scene.append(scene.event('b'))
        const first = await scene.leaseOne({ owner: 'first' })
        await scene.store.finish(first, 'a')
        await scene.store.release(first)
        await scene.store.release(first)
        const second = await scene.leaseOne({ owner: 'second' })
        assert.ok(second.fence > first.fence)
        assert.deepEqual(await scene.run(second), ['b'])
      },
    },
    {
      name: 'never strands an event that arrives while the last one of its key is finished',
      run: async scene => {
        const lanes = 30
        for (let lane = 0; lane < lanes; lane++)
          await scene.hold(await scene.delayed(`a${lane}`, 0, { key: `k${lane}` }))
        const leases = new Map((await scene.leaseDue()).map(lease => [lease.lane, lease]))
        const other = await scene.harness.open()
        const limits = { maxParkedKeys: 100, maxParkedPerKey: 100 }
        await Promise.all(
          times(lanes, async lane => {
            const late = scene.event(`b${lane}`, { key: `k${lane}`, state: 'parked' })
            const finish = (): Promise<string> => scene.store.finish(leases.get(`k${lane}`)!, `a${lane}`)
            const append = (): Promise<readonly string[]> => other.appendIfParked([late], limits)
            const [[appended], finished] =
              lane % 2 === 0
                ? await Promise.all([append(), finish()])
                : ((await Promise.all([finish(), append()])).toReversed() as [string[], string])
            const [found] = await scene.store.lookup(scene.scope, [{ event: `b${lane}`, key: `k${lane}` }])
            if (appended === 'appended') assert.deepEqual([finished, found], ['more', 'held'])
            else assert.deepEqual([appended, finished, found], ['not-parked', 'unparked', 'free'])
          }),
        )
      },
    },
  ],
}
