import type { Clock } from '@mekong/core'

export interface VirtualClockOptions {
  /** Milliseconds since the Unix epoch at which it starts. @default 0 */
  readonly startAt?: number | undefined
}

/** A clock that stands still until a test moves it. Timers run in the order of their due times, ties as they were set. */
export interface VirtualClock extends Clock {
  /**
   * Moves time by `ms` and runs every timer that falls due on the way, each at its own time. After each timer all promises
   * that are ready settle, so that a timer set by what it woke runs too if it is due in time. Calls queue up.
   */
  advance(ms: number): Promise<void>
  /** Moves to the next timer and runs it. False: none is set. */
  advanceToNext(): Promise<boolean>
  /** How many timers are set. */
  readonly pending: number
}

interface Timer {
  readonly dueAt: number
  readonly order: number
  readonly run: () => void
}

export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  return new SteppedClock(options.startAt ?? 0)
}

class SteppedClock implements VirtualClock {
  readonly #startAt: number
  readonly #timers = new Set<Timer>()
  #elapsed = 0
  #order = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(startAt: number) {
    this.#startAt = startAt
  }

  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#startAt + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { dueAt: this.#elapsed + Math.max(0, ms), order: this.#order++, run }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`advance takes milliseconds of zero or more, not ${ms}`)
    return this.#inTurn(async () => {
      const end = this.#elapsed + ms
      await settledPromises()
      for (let next = this.#next(); next !== undefined && next.dueAt <= end; next = this.#next()) await this.#fire(next)
      this.#elapsed = end
      await settledPromises()
    })
  }

  advanceToNext(): Promise<boolean> {
    return this.#inTurn(async () => {
      await settledPromises()
      const next = this.#next()
      if (next === undefined) return false
      await this.#fire(next)
      return true
    })
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer)
    this.#elapsed = Math.max(this.#elapsed, timer.dueAt)
    timer.run()
    await settledPromises()
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || isBefore(timer, next)) next = timer
    return next
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order)
}

/** One turn of the event loop: every promise chain that needs no input or output has run to its end. */
function settledPromises(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
