import assert from 'node:assert/strict'
import type { HoldScene } from './hold-scene.ts'
import { LONG_LEASE_MS, RACERS, racers, times, type StoreCaseGroup } from './store-case.ts'

const tight = { maxParkedKeys: 2, maxParkedPerKey: 2 }

export const holding: StoreCaseGroup<HoldScene> = {
  name: 'holding',
  cases: [
    {
      name: 'gives back what it was given, to the byte',
      run: async scene => {
        const event = await scene.delayed('a', 60_000, {
          event: 'order/ünïcode 🛒 id',
          key: 'a key\twith %_\\ and "quotes"',
          message: {
            topic: 'orders.v1',
            partition: 'shard-0007',
            position: '9007199254740993',
            messageId: 'id-1',
            key: 'a key\twith %_\\ and "quotes"',
            headers: { 'ce-id': 'ünïcode 🛒', empty: '', 'x-long': 'y'.repeat(5000), __proto__name: 'z' },
            body: Uint8Array.from({ length: 300 }, (_, index) => index % 256),
          },
          attempts: 7,
          reason: { code: 'TypeError', message: "it's 100 % broken" },
          fence: 9_007_199_254_740_991,
        })
        await scene.hold(event)
        assertSame(await scene.list(), [event])
      },
    },
    {
      name: 'gives back an empty body, no key and no message id',
      run: async scene => {
        const base = scene.event('a')
        const event = {
          ...base,
          key: undefined,
          message: { ...base.message, key: undefined, messageId: undefined, headers: {}, body: new Uint8Array() },
        }
        await scene.hold(event)
        assertSame(await scene.list(), [event])
      },
    },
    {
      name: 'gives back a large body',
      run: async scene => {
        const base = scene.event('a')
        const body = Uint8Array.from({ length: 1_048_576 }, (_, index) => (index * 31) % 251)
        await scene.hold({ ...base, message: { ...base.message, body } })
        const [kept] = await scene.list()
        assert.ok(Buffer.compare(kept!.message.body, body) === 0, 'the body is not the same')
      },
    },
    {
      name: 'parks the key of a held event, and no other',
      run: async scene => {
        await scene.hold(scene.event('a', { key: 'k' }))
        const queries = [
          { event: 'a', key: 'k' },
          { event: 'b', key: 'k' },
          { event: 'c', key: 'other' },
          { event: 'd', key: undefined },
        ]
        assert.deepEqual(await scene.store.lookup(scene.scope, queries), ['held', 'parked', 'free', 'free'])
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), ['k'])
        assert.deepEqual(await scene.store.lookup(scene.scope, []), [])
      },
    },
    {
      name: 'keeps an event without a key in a lane of its own, which parks nothing',
      run: async scene => {
        await scene.hold(
          await scene.delayed('a', 0, { key: undefined }),
          await scene.delayed('b', 0, { key: undefined }),
        )
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), [])
        const leases = await scene.leaseDue()
        assert.deepEqual(
          leases.map(({ lane, ordered }) => ({ lane, ordered })),
          [
            { lane: 'a', ordered: false },
            { lane: 'b', ordered: false },
          ],
        )
        assert.deepEqual(await scene.run(leases[1]!), ['b'])
        assert.deepEqual(await scene.names(), ['a'])
      },
    },
    {
      name: 'does not mistake the lane of an event without a key for the lane of a key of that name',
      run: async scene => {
        await scene.hold(scene.event('same', { key: undefined }), scene.event('b', { key: 'same' }))
        assert.deepEqual(await scene.store.parkedKeys(scene.scope), ['same'])
        assert.equal(await scene.discard({ event: 'b' }), 1)
        assert.equal(await scene.isParked('same'), false)
        assert.deepEqual(await scene.names(), ['same'])
      },
    },
    {
      name: 'keeps groups and subscriptions apart',
      run: async scene => {
        const other = { ...scene.scope, subscription: 'order.cancelled' }
        await scene.hold(scene.event('a'), scene.event('a', { scope: other }))
        assert.deepEqual(
          await scene.store.lookup({ ...scene.scope, group: `${scene.scope.group}-2` }, [{ event: 'a', key: 'k' }]),
          ['free'],
        )
        await scene.discard({ subscription: 'order.cancelled' })
        assert.deepEqual(await scene.store.lookup(other, [{ event: 'a', key: 'k' }]), ['free'])
        assert.deepEqual(await scene.store.lookup(scene.scope, [{ event: 'a', key: 'k' }]), ['held'])
      },
    },
    {
      name: 'holds the same event again in its place, with the same fence or a higher one',
      run: async scene => {
        await scene.hold(scene.event('a', { fence: 5 }), scene.event('b'))
        const again = await scene.delayed('a', 60_000, { fence: 5, attempts: 4 })
        await scene.hold(again, again)
        assertSame((await scene.list())[0], again)
        const higher = scene.event('a', { fence: 6 })
        await scene.hold(higher)
        assertSame((await scene.list())[0], higher)
        assert.deepEqual(await scene.names(), ['a', 'b'])
      },
    },
    {
      name: 'is fenced by a record of the event with a higher fence, and leaves it as it is',
      run: async scene => {
        const record = scene.event('a', { fence: 5 })
        await scene.hold(record)
        assert.equal(await scene.store.hold(scene.event('a', { fence: 4, attempts: 9 }), tight), 'fenced')
        assertSame(await scene.list(), [record])
      },
    },
    {
      name: 'keeps the highest fence of many who hold one event at once',
      run: async scene => {
        const clients = await racers(scene.harness)
        const answers = await Promise.all(
          clients.map((store, index) => store.hold(scene.event('a', { fence: index + 1, attempts: index + 1 }), tight)),
        )
        assert.equal(answers.at(-1), 'held')
        assert.ok(answers.every(answer => answer !== 'full'))
        assert.deepEqual(
          (await scene.list()).map(({ fence, attempts }) => ({ fence, attempts })),
          [{ fence: RACERS, attempts: RACERS }],
        )
      },
    },
    {
      name: 'is full at the limit of keys: a new key is not written, a parked one still is',
      run: async scene => {
        assert.equal(await scene.store.hold(scene.event('a', { key: 'k1' }), tight), 'held')
        assert.equal(await scene.store.hold(scene.event('b', { key: 'k2' }), tight), 'held')
        assert.equal(await scene.store.hold(scene.event('c', { key: 'k3' }), tight), 'full')
        assert.equal(await scene.store.hold(scene.event('d', { key: 'k1' }), tight), 'held')
        assert.equal(await scene.store.hold(scene.event('a', { key: 'k1' }), tight), 'held')
        assert.deepEqual(await scene.names(), ['a', 'b', 'd'])
        assert.equal(await scene.isParked('k3'), false)
      },
    },
    {
      name: 'is full at the limit of one key, but holds again what is there',
      run: async scene => {
        assert.equal(await scene.store.hold(scene.event('a'), tight), 'held')
        assert.equal(await scene.store.hold(scene.event('b'), tight), 'held')
        assert.equal(await scene.store.hold(scene.event('c'), tight), 'full')
        assert.equal(await scene.store.hold(scene.event('b', { attempts: 4 }), tight), 'held')
        assert.deepEqual(await scene.names(), ['a', 'b'])
      },
    },
    {
      name: 'passes no limit when many hold at once',
      run: async scene => {
        const clients = await racers(scene.harness)
        const answers = await Promise.all(
          clients.map((store, index) => store.hold(scene.event(`e${index}`, { key: `k${index}` }), tight)),
        )
        assert.equal(answers.filter(answer => answer === 'held').length, tight.maxParkedKeys)
        assert.equal((await scene.list()).length, tight.maxParkedKeys)
      },
    },
    {
      name: 'survives with other clients of the same data',
      run: async scene => {
        await scene.hold(scene.event('a'))
        const other = await scene.harness.open()
        assert.deepEqual(await other.lookup(scene.scope, [{ event: 'a', key: 'k' }]), ['held'])
      },
    },
  ],
}

export const parking: StoreCaseGroup<HoldScene> = {
  name: 'parking',
  cases: [
    {
      name: 'parks nothing of a key that is free',
      run: async scene => {
        assert.deepEqual(await scene.append(scene.event('a')), ['not-parked'])
        assert.deepEqual(await scene.append(), [])
        assert.deepEqual(await scene.names(), [])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'parks no event without a key',
      run: async scene => {
        await scene.hold(scene.event('a', { key: undefined }))
        assert.deepEqual(await scene.append(scene.event('b', { key: undefined })), ['not-parked'])
      },
    },
    {
      name: 'puts events at the end of the lane of their key, in order',
      run: async scene => {
        await scene.hold(await scene.delayed('a', 0))
        assert.deepEqual(await scene.append(scene.event('b'), scene.event('c')), ['appended', 'appended'])
        assert.deepEqual(await scene.append(scene.event('d')), ['appended'])
        assert.deepEqual(
          (await scene.list()).map(({ state }) => state),
          ['delayed', 'parked', 'parked', 'parked'],
        )
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a', 'b', 'c', 'd'])
      },
    },
    {
      name: 'appends an event once, however often it is asked, by one or by many',
      run: async scene => {
        await scene.hold(scene.event('a'))
        const clients = await racers(scene.harness)
        const event = scene.event('b', { state: 'parked' })
        const limits = { maxParkedKeys: 10, maxParkedPerKey: 10 }
        const answers = await Promise.all(clients.map(store => store.appendIfParked([event, event], limits)))
        assert.deepEqual(
          answers,
          times(RACERS, () => ['appended', 'appended']),
        )
        assert.deepEqual(await scene.names(), ['a', 'b'])
      },
    },
    {
      name: 'leaves a held event that is appended as it is: it is here already',
      run: async scene => {
        const head = scene.event('a')
        await scene.hold(head)
        assert.deepEqual(await scene.append(scene.event('a')), ['appended'])
        assertSame(await scene.list(), [head])
      },
    },
    {
      name: 'answers by index, keys mixed',
      run: async scene => {
        await scene.hold(scene.event('a', { key: 'k1' }), scene.event('b', { key: 'k2' }))
        const keys = ['k2', 'free', 'k1', 'k2', undefined]
        const answers = await scene.append(...keys.map((key, index) => scene.event(`e${index}`, { key })))
        assert.deepEqual(answers, ['appended', 'not-parked', 'appended', 'appended', 'not-parked'])
        assert.deepEqual(await scene.names({ key: 'k2' }), ['b', 'e0', 'e3'])
      },
    },
    {
      name: 'is full at the limit of one key, and so for all that follow of it',
      run: async scene => {
        const limits = { maxParkedKeys: 10, maxParkedPerKey: 2 }
        await scene.hold(scene.event('a', { key: 'k1' }), scene.event('b', { key: 'k2' }))
        const events = ['k1', 'k1', 'k1', 'k2'].map((key, index) => scene.event(`e${index}`, { key, state: 'parked' }))
        assert.deepEqual(await scene.store.appendIfParked(events, limits), ['appended', 'full', 'full', 'appended'])
        assert.deepEqual(await scene.store.appendIfParked(events, limits), ['appended', 'full', 'full', 'appended'])
        assert.deepEqual(await scene.names({ key: 'k1' }), ['a', 'e0'])
      },
    },
    {
      name: 'parks a spilled lane under a lease of its owner: nobody else may run it',
      run: async scene => {
        const lease = await scene.spill([scene.event('a'), scene.event('b')])
        assert.deepEqual(
          { ...lease, fence: 0 },
          { scope: scene.scope, lane: 'k', ordered: true, owner: 'lane', fence: 0, takeovers: 0 },
        )
        assert.equal(await scene.isParked(), true)
        assert.deepEqual(await scene.leaseDue(), [])
        assert.deepEqual(await scene.append(scene.event('c')), ['appended'])
        assert.deepEqual(await scene.run(lease), ['a', 'b', 'c'])
        assert.equal(await scene.isParked(), false)
      },
    },
    {
      name: 'gives a spilled lane to others when its lease is released',
      run: async scene => {
        await scene.store.release(await scene.spill([scene.event('a'), scene.event('b')]))
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a', 'b'])
      },
    },
    {
      name: 'gives a spilled lane to others when its lease expires, with a higher fence',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        const dead = await scene.spill([scene.event('a')], shortLeaseMs)
        await scene.harness.passTime(shortLeaseMs + 1)
        const lease = await scene.leaseOne()
        assert.ok(lease.fence > dead.fence)
        assert.deepEqual(await scene.store.extend([dead], LONG_LEASE_MS), [false])
      },
    },
    {
      name: 'holds what fails in the running lane ahead of its spilled tail, in the order in which it failed',
      run: async scene => {
        const lease = await scene.spill([scene.event('c'), scene.event('d')])
        await scene.hold(await scene.delayed('a', 0), await scene.delayed('b', 0))
        await scene.append(scene.event('e'))
        await scene.store.release(lease)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a', 'b', 'c', 'd', 'e'])
      },
    },
    {
      name: 'holds a spilled event that failed in its place',
      run: async scene => {
        const lease = await scene.spill([scene.event('a'), scene.event('b')])
        await scene.hold(await scene.delayed('a', 0))
        await scene.store.release(lease)
        assert.deepEqual(await scene.run(await scene.leaseOne()), ['a', 'b'])
      },
    },
    {
      name: 'does not spill a key that is parked, nor beyond a limit, and writes nothing then',
      run: async scene => {
        await scene.hold(scene.event('a', { key: 'k1' }))
        const request = { owner: 'lane', leaseMs: LONG_LEASE_MS, limits: tight }
        const spill = (key: string, count: number): ReturnType<typeof scene.store.spill> =>
          scene.store.spill(
            times(count, index => scene.event(`${key}-${index}`, { key, state: 'parked' })),
            request,
          )
        assert.equal(await spill('k1', 1), undefined)
        assert.equal(await spill('k2', 3), undefined)
        assert.ok((await spill('k2', 2)) !== undefined)
        assert.equal(await spill('k3', 1), undefined)
        assert.deepEqual(await scene.names(), ['a', 'k2-0', 'k2-1'])
      },
    },
    {
      name: 'gives the same lease to an owner who spills the same again after a lost reply',
      run: async scene => {
        const events = [scene.event('a'), scene.event('b')]
        const lease = await scene.spill(events)
        assert.deepEqual(await scene.spill(events), lease)
        assert.deepEqual(await scene.names(), ['a', 'b'])
      },
    },
    {
      name: 'spills a key for one of many who try at once',
      run: async scene => {
        const clients = await racers(scene.harness)
        const limits = { maxParkedKeys: 10, maxParkedPerKey: 10 }
        const leases = await Promise.all(
          clients.map((store, index) =>
            store.spill([scene.event(`e${index}`, { state: 'parked' })], {
              owner: `lane ${index}`,
              leaseMs: LONG_LEASE_MS,
              limits,
            }),
          ),
        )
        assert.equal(leases.filter(lease => lease !== undefined).length, 1)
        assert.equal((await scene.list()).length, 1)
      },
    },
  ],
}

/** Equal in every field; bodies are compared as bytes, whatever kind of array a client library makes. */
export function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(comparable(actual), comparable(expected))
}

function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, comparable(part)]))
}
