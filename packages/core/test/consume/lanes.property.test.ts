import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MekongError } from '../../src/error.ts'
import type { HoldStore } from '../../src/hold/hold-store.ts'
import { memoryHold } from '../../src/hold/memory-hold.ts'
import type { IdempotencyStore } from '../../src/idempotency/idempotency-store.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'
import { virtualClock } from '../virtual-clock.ts'
import { consuming, type Consuming, type Run } from './consuming.ts'
import { gated, type Gate } from './gated.ts'
import { MovingBroker } from './moving-broker.ts'

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

interface World {
  readonly members: readonly [Consuming, Consuming]
  readonly broker: MovingBroker
  readonly claims: Gate<IdempotencyStore>
  readonly holds: Gate<HoldStore>
  readonly hold: HoldStore
  readonly clock: Consuming['clock']
  /** Ids in the order in which a handler of any member succeeded. */
  readonly completed: string[]
}

/** Two processes of one service that share their stores. */
async function world(kind: 'log' | 'queue'): Promise<World> {
  const clock = virtualClock()
  const claims = gated<IdempotencyStore>(memoryIdempotency({ clock }), { durable: true })
  const holds = gated<HoldStore>(memoryHold({ clock }), { durable: true })
  const completed: string[] = []
  const member = (): Promise<Consuming> =>
    consuming({
      capabilities:
        kind === 'log'
          ? { affinity: 'partition' }
          : { affinity: 'in-flight', redeliver: { maxDelayMs: 900_000, blocks: 'key', keepsPlace: true } },
      subscription: {
        concurrency: 2,
        retry: { maxAttempts: 1000, immediate: 1, delayMs: 100, maxDelayMs: 1000 },
        timeoutMs: 5000,
      },
      options: {
        clock,
        idempotency: claims.store,
        hold: holds.store,
        consume: { window: 8, leaseMs: 3000, spillAfterMs: 300, abortGraceMs: 500, stalledAfterMs: 1_000_000 },
        observe: () => undefined,
      },
      onFinish: id => void completed.push(id),
    })
  const members = [await member(), await member()] as const
  return {
    members,
    broker: new MovingBroker(kind, members),
    claims: claims.gate,
    holds: holds.gate,
    hold: holds.store,
    clock,
    completed,
  }
}

async function play(kind: 'log' | 'queue', steps: readonly Step[]): Promise<World> {
  const it = await world(kind)
  const { members, broker, clock } = it
  const faults: (() => void)[] = []
  const counts = new Map<string, number>()
  const running = (): readonly Run[] => members.flatMap(member => [...member.running.values()])
  await broker.assign(...(kind === 'log' ? [members[0]] : members))
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
        await broker.assign(...(kind === 'log' ? [members[one.to]!] : members))
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
          const { broker, completed, hold, members } = await play(kind, steps)
          const firsts = [...new Set(completed)]
          for (const key of keys) {
            const stored = broker.stored.filter(message => message.key === key).map(({ id }) => id)
            expect(firsts.filter(id => id.startsWith(key))).toEqual(stored)
          }
          expect(broker.unsettled).toEqual([])
          expect(
            (await hold.list({ group: 'stock' }, { limit: 100 })).events.map(({ event, state }) => `${event} ${state}`),
          ).toEqual([])
          for (const { bus } of members) await bus.close({ timeoutMs: 0 })
        }),
        { numRuns },
      )
    },
  )
})
