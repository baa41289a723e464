import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { delayLevels, levelsOf, maxDelayMs, waitMsOf } from '../src/delay/delay-levels.ts'

const waitOf = (delayMs: number): number => levelsOf(delayMs).reduce((sum, level) => sum + waitMsOf(level), 0)

describe('the ladder of delays', () => {
  it('waits no shorter than asked for, and hardly longer, with few stops', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: maxDelayMs }), delayMs => {
        const waitMs = waitOf(delayMs)
        expect(waitMs).toBeGreaterThanOrEqual(delayMs)
        expect(waitMs - delayMs).toBeLessThan(16 + delayMs / 500)
        expect(levelsOf(delayMs).length).toBeLessThanOrEqual(delayLevels)
        expect(new Set(levelsOf(delayMs)).size).toBe(levelsOf(delayMs).length)
      }),
    )
  })

  it('stops ten times at most below the top of the ladder', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: maxDelayMs / 2 }), delayMs => {
        expect(levelsOf(delayMs).length).toBeLessThanOrEqual(10)
      }),
    )
  })

  it('reaches a month and more, and no queue waits longer than AMQP can say', () => {
    expect(maxDelayMs).toBeGreaterThan(31 * 86_400_000)
    expect(waitMsOf(delayLevels - 1)).toBeLessThan(2 ** 32)
    expect(waitOf(maxDelayMs)).toBe(maxDelayMs)
  })

  it('has no stop where nothing is to be waited for', () => {
    expect(levelsOf(0)).toEqual([])
  })
})
