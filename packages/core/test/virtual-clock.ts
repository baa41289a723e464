import type { Clock } from '../src/clock.ts'

export interface VirtualClock extends Clock {
  /** Lets `ms` pass: runs what falls due in order, and between any two lets everything that is pending go on. */
  advance(ms: number): Promise<void>
  /** Wall time jumps; monotonic time does not notice. */
  jump(ms: number): void
  /** Timers that are set. */
  readonly pending: number
  /** Lets everything go on that needs no time. */
  settle(): Promise<void>
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Time that passes only when a test says so. */
export function virtualClock(startsAt: number = Date.UTC(2026, 0, 1)): VirtualClock {
  const timers = new Set<Timer>()
  let elapsed = 0
  let jumped = 0
  let order = 0

  const next = (until: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at > until) continue
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer
    }
    return first
  }
  // One turn of the event loop runs every microtask there is, also those that microtasks add.
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

  return {
    get pending() {
      return timers.size
    },
    now: () => startsAt + jumped + elapsed,
    monotonic: () => elapsed,
    after(ms, run) {
      const timer = { at: elapsed + Math.max(0, ms), order: order++, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async advance(ms) {
      const until = elapsed + ms
      await settle()
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer)
        elapsed = timer.at
        timer.run()
        await settle()
      }
      elapsed = until
    },
    jump(ms) {
      jumped += ms
    },
    settle,
  }
}
