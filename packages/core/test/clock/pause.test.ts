import { describe, expect, it } from 'vitest'
import { createPause } from '../../src/pause.ts'
import { virtualClock } from '../virtual-clock.ts'

describe('a pause', () => {
  it('ends by time', async () => {
    const clock = virtualClock()
    const waiting = createPause(clock, new AbortController().signal).wait(10)
    await clock.advance(10)
    await waiting
    expect(clock.monotonic()).toBe(10)
  })

  it('ends when it is ended, and leaves no timer', async () => {
    const clock = virtualClock()
    const pause = createPause(clock, new AbortController().signal)
    const waiting = pause.wait(10)
    pause.end()
    await waiting
    expect(clock.pending).toBe(0)
  })

  it('does not begin when it was ended before, once', async () => {
    const clock = virtualClock()
    const pause = createPause(clock, new AbortController().signal)
    pause.end()
    await pause.wait(10)
    void pause.wait(10)
    expect(clock.pending).toBe(1)
  })

  it('ends with its signal and does not begin after it', async () => {
    const clock = virtualClock()
    const stopping = new AbortController()
    const pause = createPause(clock, stopping.signal)
    const waiting = pause.wait(10)
    stopping.abort()
    await waiting
    await pause.wait(10)
    await pause.wait(10)
    expect(clock.pending).toBe(0)
  })
})
