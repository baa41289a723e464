import type { Clock } from '@mekong/core'
import { describe, expect, it } from 'vitest'
import { createPause } from '../src/pause.ts'

/** A clock whose timers run when the test says so. */
function manualClock(): Clock & { readonly timers: Set<() => void> } {
  const timers = new Set<() => void>()
  const after = (_ms: number, run: () => void): (() => void) => {
    timers.add(run)
    return () => timers.delete(run)
  }
  return { timers, after, now: () => 0, monotonic: () => 0 }
}

describe('a pause', () => {
  it('ends by time', async () => {
    const clock = manualClock()
    const waiting = createPause(clock, new AbortController().signal).wait(10)
    for (const run of clock.timers) run()
    await waiting
    expect(clock.timers.size).toBe(0)
  })

  it('ends when it is ended, and leaves no timer', async () => {
    const clock = manualClock()
    const pause = createPause(clock, new AbortController().signal)
    const waiting = pause.wait(10)
    pause.end()
    await waiting
    expect(clock.timers.size).toBe(0)
  })

  it('does not begin when it was ended before, once', async () => {
    const clock = manualClock()
    const pause = createPause(clock, new AbortController().signal)
    pause.end()
    await pause.wait(10)
    void pause.wait(10)
    expect(clock.timers.size).toBe(1)
  })

  it('ends with its signal and does not begin after it', async () => {
    const clock = manualClock()
    const stopping = new AbortController()
    const pause = createPause(clock, stopping.signal)
    const waiting = pause.wait(10)
    stopping.abort()
    await waiting
    await pause.wait(10)
    await pause.wait(10)
    expect(clock.timers.size).toBe(0)
  })
})
