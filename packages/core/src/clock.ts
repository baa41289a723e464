/** Time, passed in so that tests own it. Durations are milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. For what is written down: event times, due times. */
  now(): number
  /** Milliseconds that never go back. For leases, deadlines and latencies. */
  monotonic(): number
  /**
   * Calls `run` once after `ms`, unless the returned function is called first. Keeps the process alive meanwhile, unless
   * it is `background` work: housekeeping that nobody waits for.
   */
  after(ms: number, run: () => void, background?: 'background'): () => void
}

/** setTimeout fires at once for a delay above this (2^31 - 1 ms, about 24.8 days). */
const LONGEST_TIMEOUT_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run, background) {
    let timer: NodeJS.Timeout
    let remainingMs = ms
    const arm = (): void => {
      const stepMs = Math.min(remainingMs, LONGEST_TIMEOUT_MS)
      remainingMs -= stepMs
      timer = setTimeout(() => (remainingMs > 0 ? arm() : run()), stepMs)
      if (background !== undefined) timer.unref()
    }
    arm()
    return () => clearTimeout(timer)
  },
}

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted === true) return resolve()
    const finish = (): void => {
      cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.after(ms, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}
