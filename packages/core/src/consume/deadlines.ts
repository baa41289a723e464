import type { Clock } from '../clock.ts'

/** What has a deadline. */
export interface Timed {
  /** By the monotonic clock; written by `Deadlines`. */
  endsAt: number
  expire(): void
}

/**
 * Deadlines of equal length, so that they end in the order in which they were set: one timer serves them all.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #ms: number
  readonly #waiting = new Set<Timed>()
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
  }

  /** Expires it after the length, unless it is cleared first. `now`: by the monotonic clock, where that is known. */
  set(timed: Timed, now: number = this.#clock.monotonic()): void {
    timed.endsAt = now + this.#ms
    this.#waiting.add(timed)
    if (this.#cancelTimer === undefined) this.#arm(this.#ms)
  }

  clear(timed: Timed): void {
    this.#waiting.delete(timed)
  }

  #arm(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => this.#expireDue(), 'background')
  }

  #expireDue(): void {
    const now = this.#clock.monotonic()
    for (const timed of this.#waiting) {
      if (timed.endsAt > now) return this.#arm(timed.endsAt - now)
      this.#waiting.delete(timed)
      timed.expire()
    }
    this.#cancelTimer = undefined
  }
}
