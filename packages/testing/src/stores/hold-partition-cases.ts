import assert from 'node:assert/strict'
import type { PartitionMark, UnendedStart } from '@mekong/core/driver'
import type { HoldScene } from './hold-scene.ts'
import { racers, type StoreCaseGroup } from './store-case.ts'

export const partitions: StoreCaseGroup<HoldScene> = {
  name: 'marking partitions',
  cases: [
    {
      name: 'finds a partition clean that nobody had',
      run: async scene => assert.equal(await scene.store.openPartition(markOf(scene)), undefined),
    },
    {
      name: 'finds a partition clean that its owner closed',
      run: async scene => {
        const mark = markOf(scene)
        await scene.store.openPartition(mark)
        await scene.store.closePartition(mark)
        await scene.store.closePartition(mark)
        assert.equal(await scene.store.openPartition(markOf(scene, { owner: 'b' })), undefined)
      },
    },
    {
      name: 'tells the next owner of one that ended without a word',
      run: async scene => {
        await scene.store.openPartition(markOf(scene))
        assert.deepEqual(await scene.store.openPartition(markOf(scene, { owner: 'b' })), [])
      },
    },
    {
      name: 'tells the next owner what was started and has not ended',
      run: async scene => {
        const mark = markOf(scene)
        await scene.store.openPartition(mark)
        assert.equal(await scene.store.recordStarts(mark, [started('x', 2), started('y', 1)]), true)
        assert.equal(await scene.store.recordStarts(mark, [started('y', 1), started('odd \0 \ud800 "', 3)]), true)
        const found = await scene.store.openPartition(markOf(scene, { owner: 'b' }))
        assert.deepEqual(found, [started('y', 1), started('odd \0 \ud800 "', 3)])
      },
    },
    {
      name: 'keeps what is on record over any number of owners that record nothing',
      run: async scene => {
        const mark = markOf(scene)
        await scene.store.openPartition(mark)
        await scene.store.recordStarts(mark, [started('x', 1)])
        for (const owner of ['b', 'c', 'd']) {
          assert.deepEqual(await scene.store.openPartition(markOf(scene, { owner })), [started('x', 1)])
        }
      },
    },
    {
      name: 'gives the same answer when the same owner asks again: the answer may have been lost',
      run: async scene => {
        const mark = markOf(scene)
        assert.equal(await scene.store.openPartition(mark), undefined)
        assert.equal(await scene.store.openPartition(mark), undefined)
        const next = markOf(scene, { owner: 'b' })
        assert.deepEqual(await scene.store.openPartition(next), [])
        assert.deepEqual(await scene.store.openPartition(next), [])
      },
    },
    {
      name: 'finds a partition clean that comes back to an owner who still lives',
      run: async scene => {
        await scene.store.openPartition(markOf(scene))
        assert.equal(await scene.store.openPartition(markOf(scene, { token: 'second' })), undefined)
      },
    },
    {
      name: 'forgets that an owner ended without a word once the next one says so, until he ends that way',
      run: async scene => {
        await scene.store.openPartition(markOf(scene))
        const next = markOf(scene, { owner: 'b' })
        await scene.store.openPartition(next)
        assert.equal(await scene.store.recordStarts(next, undefined), true)
        assert.equal(await scene.store.openPartition(markOf(scene, { owner: 'b', token: 'second' })), undefined)
        assert.deepEqual(await scene.store.openPartition(markOf(scene, { owner: 'c' })), [])
      },
    },
    {
      name: 'refuses what a former owner records, and does not let him close',
      run: async scene => {
        const zombie = markOf(scene)
        await scene.store.openPartition(zombie)
        await scene.store.openPartition(markOf(scene, { owner: 'b' }))
        assert.equal(await scene.store.recordStarts(zombie, [started('x', 9)]), false)
        assert.equal(await scene.store.recordStarts(zombie, undefined), false)
        await scene.store.closePartition(zombie)
        assert.deepEqual(await scene.store.openPartition(markOf(scene, { owner: 'c' })), [])
      },
    },
    {
      name: 'lets no close of an earlier assignment remove the mark of a later one',
      run: async scene => {
        const first = markOf(scene)
        await scene.store.openPartition(first)
        await scene.store.openPartition(markOf(scene, { token: 'second' }))
        await scene.store.closePartition(first)
        assert.equal(await scene.store.recordStarts(first, [started('x', 9)]), false)
        assert.deepEqual(await scene.store.openPartition(markOf(scene, { owner: 'b' })), [])
      },
    },
    {
      name: 'refuses to record for a partition that is closed',
      run: async scene => {
        const mark = markOf(scene)
        await scene.store.openPartition(mark)
        await scene.store.closePartition(mark)
        assert.equal(await scene.store.recordStarts(mark, [started('x', 1)]), false)
        assert.equal(await scene.store.openPartition(mark), undefined)
      },
    },
    {
      name: 'keeps groups, topics and partitions apart',
      run: async scene => {
        await scene.store.openPartition(markOf(scene))
        const others = [{ group: `${scene.scope.group}-other` }, { topic: 'payments' }, { partition: '1' }]
        for (const other of others) {
          assert.equal(await scene.store.openPartition(markOf(scene, { owner: 'b', ...other })), undefined)
        }
      },
    },
    {
      name: 'lets one of many who open at once find it clean, and the last of them record',
      run: async scene => {
        const marks = (await racers(scene.harness)).map((store, index) => ({
          store,
          mark: markOf(scene, { owner: `racer ${index}` }),
        }))
        const found = await Promise.all(marks.map(({ store, mark }) => store.openPartition(mark)))
        assert.equal(found.filter(starts => starts === undefined).length, 1)
        const recorded = await Promise.all(marks.map(({ store, mark }) => store.recordStarts(mark, [started('x', 1)])))
        assert.equal(recorded.filter(Boolean).length, 1)
      },
    },
  ],
}

function markOf(scene: HoldScene, options: Partial<PartitionMark> = {}): PartitionMark {
  return { group: scene.scope.group, topic: 'orders', partition: '0', owner: 'a', token: 'first', ...options }
}

function started(event: string, starts: number): UnendedStart {
  return { identity: { scope: 'stock/order.created', event }, starts }
}
