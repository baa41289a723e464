import assert from 'node:assert/strict'
import type { IdempotencyScene } from './idempotency-scene.ts'
import { LONG_LEASE_MS, RACERS, racers, type StoreCaseGroup } from './store-case.ts'

export const leases: StoreCaseGroup<IdempotencyScene> = {
  name: 'leases and fences',
  cases: [
    {
      name: 'lets an expired lease be taken over with a higher fence, and says that it is a takeover',
      run: async scene => {
        const dead = await scene.expired('a')
        const heir = await scene.mine('a')
        assert.equal(heir.takeover, true)
        assert.ok(heir.fence > dead.fence, `${heir.fence} is not above ${dead.fence}`)
      },
    },
    {
      name: 'lets one of many take an expired lease over',
      run: async scene => {
        await scene.expired('a')
        const clients = await racers(scene.harness)
        const answers = await Promise.all(clients.map(store => store.claim([scene.request('a')])))
        assert.equal(answers.filter(([answer]) => answer?.is === 'mine').length, 1)
        assert.equal(answers.filter(([answer]) => answer?.is === 'busy').length, RACERS - 1)
      },
    },
    {
      name: 'refuses a zombie everything after a takeover, and its successor nothing',
      run: async scene => {
        const zombie = await scene.expired('a')
        const heir = await scene.mine('a')
        assert.deepEqual(await scene.store.extend([zombie], LONG_LEASE_MS), [false])
        assert.deepEqual(await scene.store.complete([zombie]), [false])
        assert.deepEqual(await scene.store.hold([zombie]), [false])
        await scene.store.release([zombie])
        assert.equal((await scene.ask('a')).is, 'busy')
        assert.deepEqual(await scene.store.extend([heir], LONG_LEASE_MS), [true])
        assert.deepEqual(await scene.store.complete([heir]), [true])
        assert.deepEqual(await scene.store.complete([zombie]), [false])
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
      },
    },
    {
      name: 'refuses a zombie after its successor has held the event',
      run: async scene => {
        const zombie = await scene.expired('a')
        const heir = await scene.mine('a')
        await scene.store.hold([heir])
        assert.deepEqual(await scene.store.complete([zombie]), [false])
        assert.deepEqual(await scene.store.hold([zombie]), [false])
        assert.deepEqual(await scene.ask('a'), { is: 'held' })
      },
    },
    {
      name: 'lets the owner of an expired lease finish while nobody has taken over',
      run: async scene => {
        const late = await scene.expired('a')
        assert.deepEqual(await scene.store.complete([late]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
        const held = await scene.expired('b')
        assert.deepEqual(await scene.store.hold([held]), [true])
        assert.deepEqual(await scene.ask('b'), { is: 'held' })
      },
    },
    {
      name: 'extends the leases of a whole lane, by index, so that nobody takes them over',
      run: async scene => {
        const { shortLeaseMs } = scene.harness
        const lane = [
          await scene.mine('a', { leaseMs: shortLeaseMs }),
          await scene.mine('b', { leaseMs: shortLeaseMs }),
        ]
        const zombie = await scene.mine('c', { leaseMs: shortLeaseMs })
        await scene.store.release([zombie])
        await scene.mine('c')
        assert.deepEqual(await scene.store.extend([lane[0]!, zombie, lane[1]!], LONG_LEASE_MS), [true, false, true])
        await scene.harness.passTime(shortLeaseMs + 1)
        assert.deepEqual([(await scene.ask('a')).is, (await scene.ask('b')).is], ['busy', 'busy'])
      },
    },
    {
      name: 'extends an expired lease that nobody has taken over',
      run: async scene => {
        const late = await scene.expired('a')
        assert.deepEqual(await scene.store.extend([late], LONG_LEASE_MS), [true])
        assert.equal((await scene.ask('a')).is, 'busy')
      },
    },
    {
      name: 'prolongs the lease of a claim that is asked again with its token',
      run: async scene => {
        const request = scene.request('a', { leaseMs: scene.harness.shortLeaseMs })
        await scene.store.claim([request])
        await scene.store.claim([{ ...request, leaseMs: LONG_LEASE_MS }])
        await scene.harness.passTime(scene.harness.shortLeaseMs + 1)
        assert.equal((await scene.ask('a')).is, 'busy')
      },
    },
    {
      name: 'says takeover again after a takeover that was given back: the dead owner may still have held the event',
      run: async scene => {
        await scene.expired('a')
        const second = await scene.mine('a')
        await scene.store.release([second])
        const third = await scene.mine('a')
        assert.equal(third.takeover, true)
        assert.ok(third.fence > second.fence)
        assert.deepEqual(await scene.store.complete([second]), [false])
      },
    },
    {
      name: 'says takeover to a delivery that finds the lease of a redrive expired, who may hold it again',
      run: async scene => {
        await scene.held('a')
        await scene.expired('a', { from: 'held' })
        const live = await scene.mine('a')
        assert.equal(live.takeover, true)
        assert.deepEqual(await scene.store.hold([live]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'held' })
      },
    },
    {
      name: 'lets a redrive take over from a redrive that died',
      run: async scene => {
        await scene.held('a')
        const dead = await scene.expired('a', { from: 'held' })
        const heir = await scene.mine('a', { from: 'held' })
        assert.ok(heir.fence > dead.fence)
        assert.deepEqual(await scene.store.complete([dead]), [false])
        assert.deepEqual(await scene.store.complete([heir]), [true])
      },
    },
    {
      name: 'lets fences of an identity grow, whatever ended the claim before',
      run: async scene => {
        const fences: number[] = []
        const next = async (from: 'live' | 'held' = 'live'): Promise<Awaited<ReturnType<typeof scene.mine>>> => {
          const claim = await scene.mine('a', { from, leaseMs: scene.harness.shortLeaseMs })
          fences.push(claim.fence)
          return claim
        }
        await scene.store.release([await next()])
        await next()
        await scene.harness.passTime(scene.harness.shortLeaseMs + 1)
        await scene.store.release([await next()])
        await scene.store.hold([await next()])
        await scene.store.release([await next('held')])
        await scene.store.hold([await next('held')])
        await next('held')
        assert.deepEqual(
          fences,
          [...new Set(fences)].toSorted((one, other) => one - other),
        )
      },
    },
    {
      name: 'refuses a fence that is lower than that of the claim',
      run: async scene => {
        const claim = await scene.mine('a')
        assert.deepEqual(await scene.store.complete([{ ...claim, fence: claim.fence - 1 }]), [false])
        assert.deepEqual(await scene.store.hold([{ ...claim, fence: claim.fence - 1 }]), [false])
        assert.equal((await scene.ask('a')).is, 'busy')
      },
    },
    {
      name: 'remembers what is completed or held for longer than a lease, and says for how long',
      run: async scene => {
        assert.ok(scene.store.retentionMs > scene.harness.shortLeaseMs)
        const claim = await scene.mine('a', { leaseMs: scene.harness.shortLeaseMs })
        await scene.store.complete([claim])
        await scene.held('b')
        await scene.harness.passTime(scene.harness.shortLeaseMs + 1)
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
        assert.deepEqual(await scene.ask('b'), { is: 'held' })
      },
    },
  ],
}
