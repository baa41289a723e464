import { wait } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { virtualClock } from '../src/index.ts'

describe('virtualClock', () => {
  it('stands still until it is advanced', async () => {
    const clock = virtualClock({ startAt: 1_000_000 })
    let hasRun = false
    clock.after(10, () => (hasRun = true))
    await clock.advance(9)
    expect([clock.now(), clock.monotonic(), hasRun]).toEqual([1_000_009, 9, false])
    await clock.advance(1)
    expect([clock.now(), hasRun]).toEqual([1_000_010, true])
  })

  it('runs timers by due time, and ties in the order in which they were set', async () => {
    const clock = virtualClock()
    const ran: string[] = []
    clock.after(20, () => ran.push(`third at ${clock.now()}`))
    clock.after(10, () => ran.push(`first at ${clock.now()}`))
    clock.after(10, () => ran.push(`second at ${clock.now()}`))
    await clock.advance(100)
    expect(ran).toEqual(['first at 10', 'second at 10', 'third at 20'])
    expect(clock.now()).toBe(100)
  })

  it('runs what a promise chain sets on the way, at its own time', async () => {
    const clock = virtualClock()
    const times: number[] = []
    const loop = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        await wait(clock, 5)
        await Promise.resolve()
        times.push(clock.now())
      }
    }
    const looped = loop()
    await clock.advance(15)
    await looped
    expect(times).toEqual([5, 10, 15])
  })

  it('forgets a timer that is cancelled', async () => {
    const clock = virtualClock()
    const cancel = clock.after(5, () => expect.unreachable())
    expect(clock.pending).toBe(1)
    cancel()
    await clock.advance(10)
    expect(clock.pending).toBe(0)
  })

  it('goes from timer to timer', async () => {
    const clock = virtualClock()
    clock.after(3_600_000, () => {})
    expect(await clock.advanceToNext()).toBe(true)
    expect(clock.now()).toBe(3_600_000)
    expect(await clock.advanceToNext()).toBe(false)
  })

  it('takes calls that overlap one after the other', async () => {
    const clock = virtualClock()
    await Promise.all([clock.advance(5), clock.advance(5)])
    expect(clock.now()).toBe(10)
  })

  it('refuses to go back', () => {
    expect(() => virtualClock().advance(-1)).toThrow(RangeError)
    expect(() => virtualClock().advance(Number.NaN)).toThrow(RangeError)
  })
})
