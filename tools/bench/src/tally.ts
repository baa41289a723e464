import type { Payload } from './payload.ts'
import { stopwatch } from './stopwatch.ts'

/**
 * The handler of all contenders: counts, and holds the sum against what was published. The time of the measurement begins with
 * the first event, not with what a client does before it comes.
 */
export interface Tally {
  /** As handlers are: asynchronous, though it waits for nothing. */
  readonly handle: (event: Payload) => Promise<void>
  /**
   * Resolves when as many were handled as are stored, a turn of the event loop later: who awaited the last handler has
   * acknowledged it by then. Rejects when some were handled twice.
   */
  readonly all: Promise<void>
  /** As soon as the last handler was called. */
  readonly isComplete: boolean
}

export function createTally(messages: number): Tally {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let handled = 0
  let sum = 0
  return {
    all: promise,
    get isComplete() {
      return handled >= messages
    },
    async handle({ total }) {
      if (handled === 0) stopwatch.start()
      sum += total
      if (++handled < messages) return
      if (handled === messages && sum === (messages * (messages - 1)) / 2) setImmediate(resolve)
      else reject(new Error(`handled ${handled} of ${messages} events, some of them twice`))
    },
  }
}
