import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fate } from '../../src/driver/driver-contract.ts'
import { publishing, type Publishing } from './publishing.ts'
import { notStored, stored, unknown, type Call } from './scripted-driver.ts'

/** What a broker does with one send of one message, or of a run that shares its fate. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.constant('stored' as const) },
  { weight: 2, arbitrary: fc.constant('not-stored' as const) },
  { weight: 1, arbitrary: fc.constant('throttled' as const) },
  { weight: 1, arbitrary: fc.constant('refused' as const) },
  { weight: 2, arbitrary: fc.constant('unknown, stored' as const) },
  { weight: 2, arbitrary: fc.constant('unknown, lost' as const) },
  { weight: 2, arbitrary: fc.constant('unknown, stored later' as const) },
)
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never

const fateOf: Readonly<Record<Happening, () => Fate>> = {
  stored: () => stored,
  'not-stored': () => notStored(),
  throttled: () => notStored('throttled'),
  refused: () => notStored('refused'),
  'unknown, stored': unknown,
  'unknown, lost': unknown,
  'unknown, stored later': unknown,
}

/** How the driver answers as a whole. */
const manner = fc.oneof(
  { weight: 12, arbitrary: fc.constant('answers' as const) },
  { weight: 1, arbitrary: fc.constant('rejects' as const) },
  { weight: 1, arbitrary: fc.constant('answers too few' as const) },
  { weight: 1, arbitrary: fc.constant('hangs' as const) },
  { weight: 1, arbitrary: fc.constant('answers too late' as const) },
)

const plan = fc.record({
  sameKeyBatch: fc.constantFrom('together' as const, 'apart' as const),
  events: fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c', undefined),
      topic: fc.constantFrom('orders', 'payments'),
      afterMs: fc.constantFrom(0, 0, 0, 1, 20, 400),
      timeoutMs: fc.constantFrom<number[]>(300, 3000, 3000, 12_000),
    }),
    { minLength: 1, maxLength: 40 },
  ),
  calls: fc.array(
    fc.record({
      manner,
      latencyMs: fc.nat({ max: 300 }),
      laterMs: fc.nat({ max: 6000 }),
      happenings: fc.array(happening, { minLength: 1, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 60 },
  ),
  maxBatchEvents: fc.integer({ min: 1, max: 8 }),
  maxInFlightEvents: fc.integer({ min: 1, max: 12 }),
  lingerMs: fc.constantFrom(0, 0, 5),
  jitter: fc.constantFrom(0.1, 0.5, 0.99),
})
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

interface Run {
  readonly bus: Publishing
  /** Event ids by lane (topic and key), as the broker has them, duplicates included. */
  readonly log: Map<string, string[]>
  readonly violations: string[]
}

const laneOf = ({ topic, key }: { topic: string; key: string | undefined }): string => `${topic}/${key ?? ''}`

/** Carries the plan out against a broker that keeps a log for each lane. */
async function carryOut(plan: Plan): Promise<Run> {
  const log = new Map<string, string[]>()
  const violations: string[] = []
  const open = new Map<string, Call>()
  let calls = 0

  const onPublish = (call: Call): void => {
    const doing = plan.calls[calls++ % plan.calls.length]!
    const { clock } = bus
    const lanes = call.batch.filter(message => message.key !== undefined).map(laneOf)
    if (call.ids.length > plan.maxBatchEvents) violations.push(`batch of ${call.ids.length}`)
    if (plan.sameKeyBatch === 'apart' && new Set(lanes).size < lanes.length)
      violations.push('two events of a key in a batch')
    for (const lane of lanes)
      if (open.has(lane) && open.get(lane) !== call) violations.push(`two unresolved batches of ${lane}`)
    for (const lane of lanes) open.set(lane, call)
    const isOver = (): void => {
      for (const lane of lanes) if (open.get(lane) === call) open.delete(lane)
    }

    const happenings = new Map<string, Happening>()
    const fates = call.batch.map((message, index): Fate => {
      const name = plan.sameKeyBatch === 'together' && message.key !== undefined ? laneOf(message) : String(index)
      const happens = happenings.get(name) ?? doing.happenings[happenings.size % doing.happenings.length]!
      happenings.set(name, happens)
      const append = (): void => void log.set(laneOf(message), [...(log.get(laneOf(message)) ?? []), call.ids[index]!])
      if (happens === 'stored' || happens === 'unknown, stored') append()
      if (happens === 'unknown, stored later') clock.after(doing.laterMs, append)
      return fateOf[happens]()
    })
    switch (doing.manner) {
      case 'answers':
        return void clock.after(doing.latencyMs, () => (isOver(), call.answer(fates)))
      case 'rejects':
        return void clock.after(doing.latencyMs, () => (isOver(), call.reject(new Error('rejected'))))
      case 'answers too few':
        return void clock.after(doing.latencyMs, () => (isOver(), call.answer(fates.slice(1))))
      case 'hangs':
        return void clock.after(call.timeoutMs + 999, isOver)
      case 'answers too late':
        clock.after(call.timeoutMs + 999, isOver)
        return void clock.after(call.timeoutMs + 1000 + doing.latencyMs, () => call.answer(fates))
    }
  }

  const bus = publishing({
    capabilities: { sameKeyBatch: plan.sameKeyBatch },
    tuning: {
      timeoutMs: 6000,
      lingerMs: plan.lingerMs,
      maxBatchEvents: plan.maxBatchEvents,
      maxInFlightEvents: plan.maxInFlightEvents,
    },
    random: () => plan.jitter,
    onPublish,
  })
  for (const [index, { key, topic, afterMs, timeoutMs }] of plan.events.entries()) {
    if (afterMs > 0) await bus.clock.advance(afterMs)
    bus.send(`e${index}`, key, { topic, timeoutMs })
  }
  await bus.clock.advance(40_000)
  return { bus, log, violations }
}

const numRuns = 300

describe('whatever becomes of sends at the broker', () => {
  it('answers every publish exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async plan => {
        const { bus, violations } = await carryOut(plan)
        expect(violations).toEqual([])
        const outcomes = plan.events.map((_, index) => bus.outcomes.get(`e${index}`))
        const allowed = ['published', 'PUBLISH_NOT_SENT', 'PUBLISH_UNKNOWN', 'PUBLISH_REFUSED']
        for (const outcome of outcomes) expect(allowed).toContain(outcome)
        const signalled = bus.signals.filter(({ is }) => is === 'published' || is === 'publish-failed')
        expect(signalled).toHaveLength(plan.events.length)
      }),
      { numRuns },
    )
  })

  it('says published only of what is stored, and not sent only of what never is', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async plan => {
        const { bus, log } = await carryOut(plan)
        const there = new Set([...log.values()].flat())
        const withOutcome = (...outcomes: string[]): string[] =>
          [...bus.outcomes].flatMap(([id, outcome]) => (outcomes.includes(outcome) ? [id] : []))
        expect(withOutcome('published').filter(id => !there.has(id))).toEqual([])
        expect(withOutcome('PUBLISH_NOT_SENT', 'PUBLISH_REFUSED').filter(id => there.has(id))).toEqual([])
      }),
      { numRuns },
    )
  })

  it('has the published events of a key stored in the order of the calls', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async plan => {
        const { bus, log } = await carryOut(plan)
        for (const [lane, ids] of log) {
          if (lane.endsWith('/')) continue
          const published = [...new Set(ids)].filter(id => bus.outcomes.get(id) === 'published')
          const called = plan.events.flatMap((event, index) => (laneOf(event) === lane ? [`e${index}`] : []))
          expect(published).toEqual(called.filter(id => bus.outcomes.get(id) === 'published'))
        }
      }),
      { numRuns },
    )
  })

  it('has all events of a key stored in the order of the calls where none of it failed', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async plan => {
        // Patient callers and a broker that is only ever uncertain: everything gets through in the end.
        const patient: Plan = {
          ...plan,
          events: plan.events.map(event => ({ ...event, timeoutMs: 10_000_000 })),
          calls: [
            ...plan.calls.map(call => ({
              ...call,
              happenings: call.happenings.map((one): Happening => (one === 'refused' ? 'not-stored' : one)),
            })),
            ...Array.from({ length: 8 }, () => ({
              manner: 'answers' as const,
              latencyMs: 1,
              laterMs: 0,
              happenings: ['stored' as const],
            })),
          ],
        }
        const { bus, log } = await carryOut(patient)
        await bus.clock.advance(2_000_000)
        for (const [index, event] of plan.events.entries()) {
          expect(bus.outcomes.get(`e${index}`)).toBe('published')
          if (event.key === undefined) continue
          const called = plan.events.flatMap((other, n) => (laneOf(other) === laneOf(event) ? [`e${n}`] : []))
          expect([...new Set(log.get(laneOf(event)))]).toEqual(called)
        }
      }),
      { numRuns: 150 },
    )
  })
})
