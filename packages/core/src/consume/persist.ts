import { wait, type Clock } from '../clock.ts'

const firstPauseMs = 50
const longestPauseMs = 5000

export interface Persistence {
  readonly clock: Clock
  /** Hears of each failed call. */
  readonly onFailure: (error: unknown) => void
  /** Calls that have failed and are repeated, each with its last error: for whoever asks how the store is. */
  readonly failing?: Map<unknown, unknown>
  /** Nobody waits any longer. */
  readonly signal: AbortSignal
}

/**
 * Repeats a call to a store that may be out of reach until it answers: a delivery waits, it is not lost. Undefined only
 * when `signal` aborts first.
 */
export async function persist<Answer>(call: () => Promise<Answer>, how: Persistence): Promise<Answer | undefined> {
  try {
    for (let pauseMs = firstPauseMs; !how.signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await call()
      } catch (error) {
        how.failing?.set(call, error)
        how.onFailure(error)
        await wait(how.clock, pauseMs, how.signal)
      }
    }
    return undefined
  } finally {
    how.failing?.delete(call)
  }
}
