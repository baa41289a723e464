import assert from 'node:assert/strict'
import { leases } from './idempotency-lease-cases.ts'
import type { IdempotencyScene } from './idempotency-scene.ts'
import { LONG_LEASE_MS, RACERS, racers, times, type StoreCaseGroup } from './store-case.ts'

const claiming: StoreCaseGroup<IdempotencyScene> = {
  name: 'claiming',
  cases: [
    {
      name: 'grants what nobody has claimed, and it is no takeover',
      run: async scene => {
        const answer = await scene.ask('a')
        assert.equal(answer.is, 'mine')
        assert.equal(answer.takeover, false)
        assert.ok(Number.isSafeInteger(answer.fence) && answer.fence > 0, `the fence is ${answer.fence}`)
      },
    },
    {
      name: 'is busy for others while it is in progress, and says for how long',
      run: async scene => {
        await scene.mine('a', { leaseMs: 60_000 })
        const answer = await scene.ask('a')
        assert.equal(answer.is, 'busy')
        assert.ok(answer.forMs > 0 && answer.forMs <= 60_000, `busy for ${answer.forMs} ms of 60,000`)
      },
    },
    {
      name: 'answers mine with the same fence to the token that has it: a lost reply is no duplicate',
      run: async scene => {
        const request = scene.request('a')
        const [first] = await scene.store.claim([request])
        const [again] = await scene.store.claim([request])
        assert.deepEqual(again, first)
        assert.equal(again?.is, 'mine')
      },
    },
    {
      name: 'repeats that it was a takeover to the token that took over',
      run: async scene => {
        await scene.expired('a')
        const request = scene.request('a')
        const [first] = await scene.store.claim([request])
        assert.deepEqual(first, { ...first, is: 'mine', takeover: true })
        assert.deepEqual(await scene.store.claim([request]), [first])
      },
    },
    {
      name: 'grants an identity to one of many who ask at once',
      run: async scene => {
        const clients = await racers(scene.harness)
        const answers = await Promise.all(clients.map(store => store.claim([scene.request('a')])))
        const kinds = answers.map(([answer]) => answer?.is)
        assert.equal(kinds.filter(is => is === 'mine').length, 1)
        assert.equal(kinds.filter(is => is === 'busy').length, RACERS - 1)
      },
    },
    {
      name: 'grants each of many identities to one of many who ask for all of them at once',
      run: async scene => {
        const events = times(10, index => `e${index}`)
        const clients = await racers(scene.harness)
        const answers = await Promise.all(clients.map(store => store.claim(events.map(event => scene.request(event)))))
        for (const index of events.keys()) {
          assert.equal(answers.filter(answer => answer[index]?.is === 'mine').length, 1, `identity ${index}`)
        }
      },
    },
    {
      name: 'keeps identities apart by scope and by event',
      run: async scene => {
        await scene.mine('a')
        assert.equal((await scene.ask('b')).is, 'mine')
        const identity = { scope: `${scene.scope}/other`, event: 'a' }
        assert.equal((await scene.ask('a', { identity })).is, 'mine')
      },
    },
    {
      name: 'takes any text for an event: long, empty, spaces, quotes, other scripts, control characters',
      run: async scene => {
        const events = [
          '',
          ' ',
          'x'.repeat(5000),
          `${'x'.repeat(5000)}y`,
          "it's",
          '%_\\',
          'đơn hàng 🛒',
          'a\nb',
          'a\u0001b',
          'a b',
          'a  b',
        ]
        const answers = await scene.store.claim(events.map(event => scene.request(event)))
        assert.deepEqual(
          answers.map(answer => answer.is),
          events.map(() => 'mine'),
        )
        assert.deepEqual(
          (await scene.store.claim(events.map(event => scene.request(event)))).map(answer => answer.is),
          events.map(() => 'busy'),
        )
      },
    },
    {
      name: 'answers by index, whatever each answer is',
      run: async scene => {
        const done = await scene.mine('done')
        await scene.store.complete([done])
        await scene.held('held')
        await scene.mine('busy')
        const events = ['busy', 'free', 'done', 'held', 'other']
        const answers = await scene.store.claim(events.map(event => scene.request(event)))
        assert.deepEqual(
          answers.map(answer => answer.is),
          ['busy', 'mine', 'done', 'held', 'mine'],
        )
      },
    },
    {
      name: 'grants an identity that stands twice in one call once',
      run: async scene => {
        const answers = await scene.store.claim([scene.request('a'), scene.request('a')])
        assert.deepEqual(
          answers.map(answer => answer.is),
          ['mine', 'busy'],
        )
      },
    },
    {
      name: 'answers a thousand in one call, and nothing to nothing',
      run: async scene => {
        const answers = await scene.store.claim(times(1000, index => scene.request(`e${index}`)))
        assert.equal(answers.filter(answer => answer.is === 'mine').length, 1000)
        assert.deepEqual(await scene.store.claim([]), [])
        assert.deepEqual(await scene.store.extend([], LONG_LEASE_MS), [])
        assert.deepEqual(await scene.store.complete([]), [])
        assert.deepEqual(await scene.store.hold([]), [])
        await scene.store.release([])
      },
    },
    {
      name: 'remembers for other clients of the same data',
      run: async scene => {
        const claim = await scene.mine('a')
        const other = await scene.harness.open()
        assert.equal((await other.claim([scene.request('a')]))[0]?.is, 'busy')
        assert.deepEqual(await other.complete([claim]), [true])
        assert.equal((await scene.ask('a')).is, 'done')
      },
    },
  ],
}

const ending: StoreCaseGroup<IdempotencyScene> = {
  name: 'completing, holding, releasing',
  cases: [
    {
      name: 'is done once completed, for everybody, the owner and a redrive included',
      run: async scene => {
        const request = scene.request('a')
        const [answer] = await scene.store.claim([request])
        assert.equal(answer?.is, 'mine')
        assert.deepEqual(await scene.store.complete([{ ...request, fence: answer.fence }]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
        assert.deepEqual(await scene.ask('a', { from: 'held' }), { is: 'done' })
        assert.deepEqual(await scene.store.claim([request]), [{ is: 'done' }])
      },
    },
    {
      name: 'completes twice with the same fence',
      run: async scene => {
        const claim = await scene.mine('a')
        assert.deepEqual(await scene.store.complete([claim]), [true])
        assert.deepEqual(await scene.store.complete([claim]), [true])
      },
    },
    {
      name: 'is held once held, and holds twice with the same fence',
      run: async scene => {
        const claim = await scene.held('a')
        assert.deepEqual(await scene.store.hold([claim]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'held' })
      },
    },
    {
      name: 'goes from held back to in progress by a redrive, with a higher fence, one at a time',
      run: async scene => {
        const first = await scene.held('a')
        const redrive = await scene.mine('a', { from: 'held' })
        assert.ok(redrive.fence > first.fence)
        assert.equal((await scene.ask('a', { from: 'held' })).is, 'busy')
        assert.equal((await scene.ask('a')).is, 'busy')
        assert.deepEqual(await scene.store.complete([redrive]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
      },
    },
    {
      name: 'holds a redriven event again, and it can be redriven again',
      run: async scene => {
        await scene.held('a')
        const redrive = await scene.mine('a', { from: 'held' })
        assert.deepEqual(await scene.store.hold([redrive]), [true])
        assert.deepEqual(await scene.ask('a'), { is: 'held' })
        assert.ok((await scene.mine('a', { from: 'held' })).fence > redrive.fence)
      },
    },
    {
      name: 'grants a redrive of what it does not know: what was held may be forgotten before it is redriven',
      run: async scene => {
        await scene.mine('a', { from: 'held' })
      },
    },
    {
      name: 'keeps what is completed from being held, and what is held from being completed without a redrive',
      run: async scene => {
        const completed = await scene.mine('a')
        await scene.store.complete([completed])
        assert.deepEqual(await scene.store.hold([completed]), [false])
        assert.deepEqual(await scene.ask('a'), { is: 'done' })
        const held = await scene.held('b')
        assert.deepEqual(await scene.store.complete([held]), [false])
        assert.deepEqual(await scene.ask('b'), { is: 'held' })
      },
    },
    {
      name: 'gives a released claim to the next, as if nothing had happened, with a higher fence',
      run: async scene => {
        const released = await scene.mine('a')
        await scene.store.release([released])
        const next = await scene.mine('a')
        assert.equal(next.takeover, false)
        assert.ok(next.fence > released.fence)
        await scene.store.release([released])
        assert.equal((await scene.ask('a')).is, 'busy')
      },
    },
    {
      name: 'leaves held what a redrive gives back: nothing happened',
      run: async scene => {
        await scene.held('a')
        const redrive = await scene.mine('a', { from: 'held' })
        await scene.store.release([redrive])
        assert.deepEqual(await scene.ask('a'), { is: 'held' })
      },
    },
    {
      name: 'ends each claim of a call by itself, and answers by index',
      run: async scene => {
        const claims = [await scene.mine('a'), await scene.mine('b'), await scene.mine('c')]
        await scene.store.release([claims[1]!])
        const heir = await scene.mine('b')
        assert.deepEqual(await scene.store.complete(claims), [true, false, true])
        assert.deepEqual(await scene.store.complete([heir]), [true])
      },
    },
  ],
}

export const idempotencyCases: readonly StoreCaseGroup<IdempotencyScene>[] = [claiming, ending, leases]
