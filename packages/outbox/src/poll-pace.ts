/** How long a relay waits before it looks again. */
export interface PollPace {
  /** There was something, or there is about to be. */
  stir(now: number): void
  pauseMs(now: number): number
}

/**
 * A tenth of the time since anything last happened: nearly at once while events come, never more than a tenth later than
 * they are already apart, and the longest pause once it has been quiet for ten times that.
 */
export function createPollPace(bounds: { readonly minMs: number; readonly maxMs: number }): PollPace {
  let stirredAt = -Infinity
  return {
    stir(now) {
      stirredAt = now
    },
    pauseMs: now => Math.min(bounds.maxMs, Math.max(bounds.minMs, (now - stirredAt) / 10)),
  }
}
