import assert from 'node:assert/strict'
import { assertSame } from './hold-writing-cases.ts'
import { nameOf, type ScheduleScene } from './schedule-scene.ts'
import { racers, times, type StoreCaseGroup } from './store-case.ts'

const scheduling: StoreCaseGroup<ScheduleScene> = {
  name: 'scheduling',
  cases: [
    {
      name: 'gives a due event back as it was given, to the byte',
      run: async scene => {
        const { event, dueAt } = await scene.event('a', 0)
        const body = Uint8Array.from({ length: 300 }, (_, index) => index % 256)
        const odd = { event: { ...event, key: undefined, headers: { x: 'ünïcode 🛒', empty: '' }, body }, dueAt }
        await scene.store.add([odd])
        const leased = await scene.leaseDue()
        assertSame(
          leased.map(one => ({ event: one.event, dueAt: one.dueAt, owner: one.owner })),
          [{ ...odd, owner: 'relay' }],
        )
        await scene.store.delete(leased)
      },
    },
    {
      name: 'leases nothing before its time, and knows the next',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        const soon = await scene.event('soon', shortLeaseMs)
        const late = await scene.event('late', 2 * shortLeaseMs)
        await scene.store.add([late, soon])
        assert.deepEqual(await scene.leaseDue(), [])
        assert.equal(Math.round((await scene.store.nextDueAt()) ?? 0), soon.dueAt)
        await scene.harness.passTime(shortLeaseMs + 1)
        const [first] = await scene.leaseDue()
        assert.equal(nameOf(first!), 'soon')
        await scene.store.delete([first!])
        await scene.empty(late)
      },
    },
    {
      name: 'knows no next time when it is empty',
      run: async scene => {
        assert.equal(await scene.store.nextDueAt(), undefined)
        assert.deepEqual(await scene.leaseDue(), [])
        await scene.store.add([])
        await scene.store.delete([])
      },
    },
    {
      name: 'keeps the first of an id that is added twice',
      run: async scene => {
        const first = await scene.event('a', 0)
        await scene.store.add([first, { ...first, event: { ...first.event, topic: 'second' } }])
        await scene.store.add([{ ...first, dueAt: first.dueAt + 60_000 }])
        const leased = await scene.leaseDue()
        assert.deepEqual(
          leased.map(({ event, dueAt }) => [event.topic, dueAt]),
          [['orders', first.dueAt]],
        )
        await scene.store.delete(leased)
      },
    },
    {
      name: 'leases the oldest first, up to the limit',
      run: async scene => {
        const events = [
          await scene.event('third', -1000),
          await scene.event('first', -3000),
          await scene.event('second', -2000),
        ]
        await scene.store.add(events)
        const two = await scene.leaseDue({ limit: 2 })
        assert.equal(two.length, 2)
        const leased = [...two, ...(await scene.leaseDue({ limit: 2 }))]
        assert.deepEqual(leased.map(nameOf), ['first', 'second', 'third'])
        await scene.store.delete(leased)
      },
    },
    {
      name: 'leases each of many events to one of many who ask at once',
      run: async scene => {
        await scene.store.add(await Promise.all(times(50, index => scene.event(`e${index}`, -index))))
        const clients = await racers(scene.harness)
        const leased = await Promise.all(
          clients.map((store, index) => scene.leaseDue({ owner: `r${index}`, limit: 5 }, store)),
        )
        const all = [...leased.flat(), ...(await scene.leaseDue())]
        assert.deepEqual(all.map(nameOf).toSorted(), times(50, index => `e${index}`).toSorted())
        await scene.store.delete(all)
      },
    },
    {
      name: 'forgets what is deleted',
      run: async scene => {
        await scene.store.add([await scene.event('a', 0)])
        const leased = await scene.leaseDue()
        await scene.store.delete(leased)
        await scene.store.delete(leased)
        assert.equal(await scene.store.nextDueAt(), undefined)
      },
    },
    {
      name: 'lets an expired lease be taken over with a higher fence, and ignores the delete of its old owner',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.store.add([await scene.event('a', 0)])
        const zombie = await scene.leaseDue({ owner: 'zombie', leaseMs: shortLeaseMs })
        assert.deepEqual(await scene.leaseDue(), [])
        await scene.harness.passTime(shortLeaseMs + 1)
        const heir = await scene.leaseDue({ owner: 'heir', leaseMs: shortLeaseMs })
        assert.ok(heir[0]!.fence > zombie[0]!.fence)
        await scene.store.delete(zombie)
        await scene.harness.passTime(shortLeaseMs + 1)
        const last = await scene.leaseDue()
        assert.equal(last.length, 1)
        await scene.store.delete(last)
      },
    },
    {
      name: 'lets the owner of an expired lease delete while nobody has taken over',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        await scene.store.add([await scene.event('a', 0)])
        const late = await scene.leaseDue({ leaseMs: shortLeaseMs })
        await scene.harness.passTime(shortLeaseMs + 1)
        await scene.store.delete(late)
        assert.deepEqual(await scene.leaseDue(), [])
      },
    },
  ],
}

export const scheduleCases: readonly StoreCaseGroup<ScheduleScene>[] = [scheduling]
