import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasDelayedAttempts, nextStep, resolveRetryPolicy } from '../../src/consume/retry-policy.ts'
import { MekongError } from '../../src/error.ts'

const policyOf = resolveRetryPolicy.bind(undefined, 'retry')
const random = (): number => 0.5

describe('a retry policy', () => {
  it.each([
    [{ maxAttempt: 1 }, 'retry.maxAttempt is not an option'],
    [{ maxAttempts: 0 }, 'retry.maxAttempts must be a positive integer, not 0'],
    [{ immediate: -1 }, 'retry.immediate must be a positive integer, not -1'],
    [{ delayMs: 1.5 }, 'retry.delayMs must be a positive integer, not 1.5'],
  ])('is refused: %j', (given, message) => {
    expect(() => policyOf(given as object, true)).toThrow(message)
  })

  it('makes every attempt at once where nothing can wait, unless it says otherwise', () => {
    expect(policyOf({ maxAttempts: 5 }, false)).toMatchObject({ immediate: 4 })
    expect(hasDelayedAttempts(policyOf({ maxAttempts: 5 }, false))).toBe(false)
    expect(hasDelayedAttempts(policyOf({ maxAttempts: 5, immediate: 1 }, false))).toBe(true)
  })

  it('makes the attempts that it promises, and no more, in whatever deliveries they fall', () => {
    const policies = fc.record({
      maxAttempts: fc.integer({ min: 1, max: 8 }),
      immediate: fc.integer({ min: 0, max: 8 }),
      immediateDelayMs: fc.integer({ min: 1, max: 500 }),
      immediateBudgetMs: fc.integer({ min: 1, max: 1000 }),
      delayMs: fc.integer({ min: 1, max: 10_000 }),
      maxDelayMs: fc.integer({ min: 1, max: 100_000 }),
    })
    fc.assert(
      fc.property(
        policies,
        fc.boolean(),
        fc.func(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (given, canDelay, chance) => {
          const policy = policyOf(given, canDelay)
          let [attempt, inRow, spentMs, calls] = [1, 1, 0, 0]
          const retries: number[] = []
          const delays: number[] = []
          for (;;) {
            const step = nextStep(policy, { error: new Error('no'), attempt, inRow, spentMs }, () => chance(calls++))
            if (step.is === 'dead') break
            if (step.is === 'retry') {
              retries.push(step.afterMs)
              spentMs += step.afterMs
              inRow++
            } else {
              delays.push(step.afterMs)
              inRow = 1
              spentMs = 0
            }
            attempt++
          }
          expect(attempt).toBe(policy.maxAttempts)
          expect(retries.filter(ms => ms < 0 || ms > policy.immediateBudgetMs)).toEqual([])
          expect(delays.filter(ms => ms < 1 || ms > policy.maxDelayMs)).toEqual([])
        },
      ),
    )
  })

  it('doubles its delays up to the longest', () => {
    const policy = policyOf({ maxAttempts: 10, immediate: 0, delayMs: 100, maxDelayMs: 500 }, true)
    const delays = [1, 2, 3, 4, 5].map(attempt =>
      nextStep(policy, { error: undefined, attempt, inRow: 1, spentMs: 0 }, random),
    )
    expect(delays.map(step => 'afterMs' in step && step.afterMs)).toEqual([75, 150, 300, 375, 375])
  })

  it.each([
    ['an error that says that repeating is no use', Object.assign(new Error('no'), { retryable: false }), 'dead'],
    ['data that its schema refuses', new MekongError('INVALID_DATA', ''), 'dead'],
    ['bytes that cannot be read', new MekongError('UNDECODABLE', ''), 'dead'],
    ['a publish of the handler that failed', new MekongError('PUBLISH_REFUSED', ''), 'retry'],
    ['nothing', undefined, 'retry'],
    ['a string', 'no', 'retry'],
  ])('after %s', (_, error, is) => {
    expect(nextStep(policyOf({}, true), { error, attempt: 1, inRow: 1, spentMs: 0 }, random).is).toBe(is)
  })
})
