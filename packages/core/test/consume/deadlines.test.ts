import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines } from '../../src/consume/deadlines.ts'
import { virtualClock } from '../virtual-clock.ts'

const unset = { endsAt: 0, older: undefined, younger: undefined }

describe('deadlines', () => {
  it('come exactly after their length, unless they were taken back', async () => {
    const plans = fc.array(fc.record({ at: fc.nat(300), takenBackAfter: fc.option(fc.nat(250)) }), { maxLength: 15 })
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const clock = virtualClock()
        const deadlines = new Deadlines(clock, 100)
        const expired: string[] = []
        for (const [index, { at, takenBackAfter }] of plan.entries()) {
          clock.after(at, () => {
            const timed = {
              ...unset,
              expire: () => void expired.push(`${index} at ${clock.monotonic()}`),
            }
            deadlines.set(timed)
            if (takenBackAfter !== null) clock.after(takenBackAfter, () => deadlines.clear(timed))
          })
        }
        await clock.advance(1000)
        const wanted = plan.flatMap(({ at, takenBackAfter }, index) =>
          takenBackAfter !== null && takenBackAfter < 100 ? [] : [`${index} at ${at + 100}`],
        )
        const sure = wanted.filter((_, place) => plan[Number(wanted[place]!.split(' ')[0])]!.takenBackAfter !== 100)
        expect(expired).toEqual(expect.arrayContaining(sure))
        expect(wanted).toEqual(expect.arrayContaining(expired))
      }),
      { numRuns: 50 },
    )
  })

  it('share one timer, which nobody waits for', () => {
    const timers: (string | undefined)[] = []
    const clock = {
      now: () => 0,
      monotonic: () => 0,
      after: (_ms: number, _run: () => void, background?: 'background') => {
        timers.push(background)
        return () => undefined
      },
    }
    const deadlines = new Deadlines(clock, 100)
    for (let set = 0; set < 100; set++) deadlines.set({ ...unset, expire: () => undefined })
    expect(timers).toEqual(['background'])
  })
})
