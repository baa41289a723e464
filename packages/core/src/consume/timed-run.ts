import type { Clock } from '../clock.ts'
import { MekongError } from '../error.ts'
import type { AbortSource } from './abort-source.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

export interface TimedRunOptions {
  readonly subscription: Subscription
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly abortGraceMs: number
}

/**
 * One run of a handler against its deadline, at which its signal aborts. A handler that does not end within the grace counts
 * as failed although it may still run: that is why claims carry a fence.
 */
export class TimedRun implements Timed {
  readonly #options: TimedRunOptions
  readonly #work: Work
  readonly #abortion: AbortSource
  readonly #onEnd: (error: unknown) => void
  #isOver = false
  #timeout: MekongError | undefined
  #cancelGrace: (() => void) | undefined
  endsAt = 0
  older: this | undefined
  younger: this | undefined

  /** `onEnd` is called once, with what was thrown, or with undefined for success. */
  constructor(options: TimedRunOptions, work: Work, onEnd: (error: unknown) => void) {
    this.#options = options
    this.#work = work
    this.#abortion = work.abortion
    this.#onEnd = onEnd
  }

  /** What the handler, which has just begun, gave: the run ends with it, in a later turn. */
  watch(handled: Promise<unknown>, now: number): void {
    this.#options.deadlines.set(this, now)
    handled.then(
      () => this.#end(undefined),
      (error: unknown) => this.#fail(error),
    )
  }

  expire(): void {
    const { subscription, clock, abortGraceMs } = this.#options
    const { type } = this.#work.envelope.attributes
    const text = `${subscription.name} took longer than ${subscription.timeoutMs} ms for ${type}`
    this.#timeout = new MekongError('HANDLER_TIMEOUT', text, { retryable: true })
    this.#abortion.abort(this.#timeout)
    this.#cancelGrace = clock.after(abortGraceMs, () => {
      this.#work.isOverrun = true
      this.#end(this.#timeout)
    })
  }

  #fail(error: unknown): void {
    const { name } = this.#options.subscription
    const failure = error ?? new MekongError('HANDLER_FAILED', `the handler of ${name} rejected with nothing`)
    this.#end(this.#timeout ?? failure)
  }

  #end(error: unknown): void {
    // It may end at last, after it was given up.
    if (this.#isOver) return
    this.#isOver = true
    if (this.#timeout === undefined) this.#options.deadlines.clear(this)
    else this.#cancelGrace?.()
    this.#onEnd(error)
  }
}
