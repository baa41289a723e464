import type { Clock } from '../clock.ts'

interface Deadline {
  readonly at: number
  readonly expire: () => void
}

/**
 * Deadlines of equal length, so that they end in the order in which they were set: one timer serves them all.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #ms: number
  readonly #waiting = new Set<Deadline>()
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
  }

  /** Calls `expire` after the length, unless the returned function is called first. */
  set(expire: () => void): () => void {
    const deadline = { at: this.#clock.monotonic() + this.#ms, expire }
    this.#waiting.add(deadline)
    if (this.#cancelTimer === undefined) this.#arm(this.#ms)
    return () => this.#waiting.delete(deadline)
  }

  #arm(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => this.#expireDue(), 'background')
  }

  #expireDue(): void {
    const now = this.#clock.monotonic()
    for (const deadline of this.#waiting) {
      if (deadline.at > now) return this.#arm(deadline.at - now)
      this.#waiting.delete(deadline)
      deadline.expire()
    }
    this.#cancelTimer = undefined
  }
}
