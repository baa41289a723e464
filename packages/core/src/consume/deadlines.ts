import { AgeList, type Aging } from '../age-list.ts'
import type { Clock } from '../clock.ts'

/** What has a deadline. */
export interface Timed extends Aging {
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
  readonly #waiting = new AgeList<Timed>()
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
    this.#waiting.remove(timed)
  }

  #arm(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => this.#expireDue(), 'background')
  }

  #expireDue(): void {
    const now = this.#clock.monotonic()
    for (let { oldest } = this.#waiting; oldest !== undefined; { oldest } = this.#waiting) {
      if (oldest.endsAt > now) return this.#arm(oldest.endsAt - now)
      this.#waiting.remove(oldest)
      oldest.expire()
    }
    this.#cancelTimer = undefined
  }
}
