import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MekongError } from '../../src/error.ts'
import { twoMembers, type TwoMembers } from './two-members.ts'

const keys = ['a', 'b', 'c'] as const
const idempotencySteps = ['claim', 'extend', 'complete', 'hold', 'release'] as const
const holdSteps = [
  'hold',
  'appendIfParked',
  'spill',
  'lookup',
  'parkedKeys',
  'leaseDue',
  'extend',
  'head',
  'finish',
  'keep',
  'release',
  'nextDueAt',
] as const

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant('arrive' as const),
      keys: fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant('end' as const),
      which: fc.nat(9),
      how: fc.constantFrom('finish', 'finish', 'finish', 'fail', 'busy'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ is: fc.constant('pass' as const), ms: fc.constantFrom(1, 20, 300, 2000, 7000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('move' as const),
      how: fc.constantFrom('drain' as const, 'lost' as const),
      to: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('kill' as const), which: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('close' as const),
      which: fc.nat(1),
      timeoutMs: fc.constantFrom(0, 50, 2000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('lose' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('repeat' as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('claims' as const),
      fault: fc.constantFrom('fail', 'pause'),
      method: fc.constantFrom(...idempotencySteps),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('holds' as const),
      fault: fc.constantFrom('fail', 'pause'),
      method: fc.constantFrom(...holdSteps),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('restore' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

async function play(kind: 'log' | 'queue', steps: readonly Step[]): Promise<TwoMembers> {
  const it = await twoMembers(kind)
  const { broker, clock, running } = it
  const faults: (() => void)[] = []
  const counts = new Map<string, number>()
  await broker.assign(...(kind === 'log' ? it.members.slice(0, 1) : it.members))
  for (const one of steps) {
    switch (one.is) {
      case 'arrive':
        for (const key of one.keys) {
          counts.set(key, (counts.get(key) ?? 0) + 1)
          broker.store(`${key}${counts.get(key)}`, key)
        }
        break
      case 'end': {
        const run = running()[one.which % Math.max(1, running().length)]
        if (one.how === 'finish') run?.finish()
        else run?.fail(one.how === 'busy' ? new MekongError('BUSY', 'locked') : new Error('not yet'))
        break
      }
      case 'pass':
        await clock.advance(one.ms)
        break
      case 'move':
        await broker.revoke(one.how, 300)
        await broker.assign(...(kind === 'log' ? it.members.slice(one.to).slice(0, 1) : it.members))
        break
      case 'kill':
        await it.replace(one.which, { killed: true })
        break
      case 'close':
        await it.replace(one.which, { timeoutMs: one.timeoutMs })
        break
      case 'lose':
        broker.look()
        broker.lose(one.which)
        break
      case 'repeat':
        broker.look()
        broker.repeat(one.which)
        break
      case 'claims':
        faults.push(it.claims[one.fault as 'fail'](one.method, one.when))
        break
      case 'holds':
        faults.push(it.holds[one.fault as 'fail'](one.method, one.when))
        break
      case 'restore':
        for (const restore of faults.splice(0)) restore()
        break
    }
    broker.deliver(5)
    await clock.settle()
  }
  for (const restore of faults.splice(0)) restore()
  for (let rest = 0; rest < 60; rest++) {
    for (const run of running()) run.finish()
    await clock.advance(1000)
    broker.deliver(5)
    await clock.settle()
    const { events } = await it.hold.list({ group: 'stock' }, { limit: 1 })
    broker.look()
    if (broker.unsettled.length === 0 && events.length === 0 && running().length === 0) break
  }
  return it
}

/** More of them find more: MEKONG_RUNS. */
const numRuns = Number(process.env['MEKONG_RUNS'] ?? 50)

describe('two members, whatever happens to their broker and their stores', () => {
  it.each(['log', 'queue'] as const)(
    'complete every event of a %s, first occurrences in order by key, and leave nothing behind',
    async kind => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }), async steps => {
          const { broker, clock, completed, hold, members } = await play(kind, steps)
          const firsts = [...new Set(completed)]
          for (const key of keys) {
            const stored = broker.stored.filter(message => message.key === key).map(({ id }) => id)
            expect(firsts.filter(id => id.startsWith(key))).toEqual(stored)
          }
          expect(broker.unsettled).toEqual([])
          expect(
            (await hold.list({ group: 'stock' }, { limit: 100 })).events.map(({ event, state }) => `${event} ${state}`),
          ).toEqual([])
          const closed = Promise.all(members.map(({ bus }) => bus.close({ timeoutMs: 0 })))
          await clock.advance(10_000)
          await closed
        }),
        { numRuns },
      )
    },
  )
})
