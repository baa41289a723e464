import { isMekongError, MekongError } from '../error.ts'
import type { RetryOptions } from '../event-bus.ts'
import { requirePositiveInteger } from './consume-tuning.ts'

export type RetryPolicy = Required<RetryOptions>

/** What follows a failed attempt. */
export type NextStep =
  | { readonly is: 'retry'; readonly afterMs: number }
  | { readonly is: 'delay'; readonly afterMs: number }
  | { readonly is: 'dead' }

const defaults: RetryPolicy = {
  maxAttempts: 5,
  immediate: 2,
  immediateDelayMs: 50,
  immediateBudgetMs: 1000,
  delayMs: 1000,
  maxDelayMs: 600_000,
}

/** Without a place where events can wait, every attempt is made at once inside the process. */
export function resolveRetryPolicy(path: string, given: RetryOptions | undefined, canDelay: boolean): RetryPolicy {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (!Object.hasOwn(defaults, name)) {
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `${path}.${name} is not an option; the options are ${Object.keys(defaults).join(', ')}`,
      )
    }
    if (name === 'immediate' && value === 0) continue
    requirePositiveInteger(`${path}.${name}`, value)
  }
  const policy = { ...defaults, ...given }
  const immediate = canDelay || given?.immediate !== undefined ? policy.immediate : policy.maxAttempts - 1
  return { ...policy, immediate: Math.min(immediate, policy.maxAttempts - 1) }
}

/** Whether some attempt would come later than inside the process. */
export function hasDelayedAttempts(policy: RetryPolicy): boolean {
  return policy.maxAttempts > policy.immediate + 1
}

/**
 * Decides after a failed attempt. `attempt` counts all runs of the handler for this event, `inRow` those of this
 * delivery, `spentMs` the immediate delays of this delivery so far.
 */
export function nextStep(
  policy: RetryPolicy,
  failure: { readonly error: unknown; readonly attempt: number; readonly inRow: number; readonly spentMs: number },
  random: () => number,
): NextStep {
  if (wantsNoRetry(failure.error) || failure.attempt >= policy.maxAttempts) return { is: 'dead' }
  if (failure.inRow <= policy.immediate && failure.spentMs < policy.immediateBudgetMs) {
    return { is: 'retry', afterMs: immediateDelay(policy, failure.inRow, random) }
  }
  // Without delayed attempts the budget only spaces the immediate ones: an attempt that was promised is made.
  if (!hasDelayedAttempts(policy)) return { is: 'retry', afterMs: immediateDelay(policy, failure.inRow, random) }
  return { is: 'delay', afterMs: delayOf(policy, failure.attempt, random) }
}

function wantsNoRetry(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  // A MekongError says of its own call whether repeating helps; a handler that met one still deserves its retries.
  if (isMekongError(error))
    return error.code === 'INVALID_DATA' || error.code === 'UNDECODABLE' || error.code === 'SAGA_INVALID'
  return 'retryable' in error && error.retryable === false
}

/** Full jitter: anywhere between zero and the doubled bound. */
function immediateDelay(policy: RetryPolicy, inRow: number, random: () => number): number {
  const bound = Math.min(policy.immediateDelayMs * 2 ** (inRow - 1), policy.immediateBudgetMs)
  return Math.floor(bound * random())
}

/** Half fixed, half jitter: a delayed attempt is never at once. */
function delayOf(policy: RetryPolicy, attempt: number, random: () => number): number {
  const step = Math.max(0, attempt - policy.immediate - 1)
  const bound = Math.min(policy.delayMs * 2 ** Math.min(step, 30), policy.maxDelayMs)
  return Math.ceil(bound / 2 + (bound / 2) * random())
}
