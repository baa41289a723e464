import { wait, type Clock } from '../clock.ts'
import type { Contract } from '../contract.ts'
import { MekongError, isMekongError } from '../error.ts'
import { readData } from '../event/decode.ts'
import type { HandlerContext } from '../handler.ts'
import type { Middleware } from '../middleware.ts'
import type { Observer } from '../signal.ts'
import { Deadlines } from './deadlines.ts'
import { EventContext, type PublishFrom } from './handler-context.ts'
import { nextStep } from './retry-policy.ts'
import { definitionOf, type Subscription } from './subscription.ts'
import { TimedRun, type TimedRunOptions } from './timed-run.ts'
import type { Work } from './work.ts'

export interface AttemptsOptions {
  readonly subscription: Subscription
  readonly contract: Contract | undefined
  readonly middleware: readonly Middleware[]
  readonly publishFrom: PublishFrom
  readonly clock: Clock
  readonly random: () => number
  readonly observe: Observer | undefined
  readonly abortGraceMs: number
}

/** How the attempts of one delivery, or of one turn of a held event, ended. */
export type Outcome =
  | { readonly is: 'completed'; readonly tookMs: number }
  | { readonly is: 'delay'; readonly afterMs: number; readonly error: unknown }
  | { readonly is: 'dead'; readonly error: unknown }
  /** Somebody else is at it; no attempt was made. */
  | { readonly is: 'busy' }
  /** Its partition, its claim or the time of closing is gone. */
  | { readonly is: 'aborted' }

/** Attempts that follow each other at once. */
interface Row {
  readonly onEnd: (outcome: Outcome) => void
  readonly startedAt: number
  readonly spentMs: number
  /** Which of them it is. */
  readonly inRow: number
}

/** How long an event that another owner works on is left alone when nobody can say for how long that is. */
export const busyPauseMs = 1000

/** Runs a handler for one event, again at once where its policy says so. */
export class Attempts {
  readonly #options: AttemptsOptions
  readonly #timing: TimedRunOptions
  readonly #handle: (event: unknown, context: HandlerContext) => unknown

  constructor(options: AttemptsOptions) {
    this.#options = options
    const deadlines = new Deadlines(options.clock, options.subscription.timeoutMs)
    this.#timing = { ...options, deadlines }
    this.#handle = compile(options)
  }

  run(work: Work): Promise<Outcome> {
    return new Promise(resolve => this.begin(work, resolve))
  }

  /** The same without a promise, for every message that comes: `onEnd` is called once, in a later turn. */
  begin(work: Work, onEnd: (outcome: Outcome) => void): void {
    const startedAt = this.#options.clock.monotonic()
    const { problem } = work.envelope
    if (problem !== undefined) queueMicrotask(() => onEnd(this.#failed(work, { is: 'dead', error: problem })))
    else if (work.gone !== undefined) queueMicrotask(() => onEnd({ is: 'aborted' }))
    else this.#attempt(work, { onEnd, startedAt, spentMs: 0, inRow: 1 }, startedAt)
  }

  #attempt(work: Work, row: Row, now: number): void {
    const { subscription, publishFrom } = this.#options
    work.attempts++
    const context = new EventContext(work, subscription, publishFrom)
    const run = new TimedRun(this.#timing, work, error => {
      if (error === undefined) this.#succeeded(work, row, context)
      else void this.#judge(work, row, error)
    })
    run.watch(this.#handled(work, context), now)
  }

  #succeeded(work: Work, { onEnd, startedAt }: Row, { isDuplicate }: EventContext): void {
    const { clock, observe, subscription } = this.#options
    if (isDuplicate) observe?.({ is: 'duplicate', by: 'inbox', ...named(subscription, work) })
    onEnd({ is: 'completed', tookMs: observe === undefined ? 0 : clock.monotonic() - startedAt })
  }

  async #judge(work: Work, row: Row, error: unknown): Promise<void> {
    const { clock, random, observe, subscription } = this.#options
    if (isMekongError(error) && error.code === 'BUSY') {
      work.attempts--
      observe?.({ is: 'busy', forMs: busyPauseMs, ...named(subscription, work) })
      return row.onEnd({ is: 'busy' })
    }
    if (work.gone !== undefined) return row.onEnd({ is: 'aborted' })
    const { inRow, spentMs } = row
    const failure = { error, attempt: work.attempts, inRow: work.isOverrun ? Infinity : inRow, spentMs }
    work.rearm()
    const step = nextStep(subscription.retry, failure, random)
    if (step.is !== 'retry') return row.onEnd(this.#failed(work, { ...step, error }))
    this.#report(work, error, 'retry')
    await wait(clock, step.afterMs, work.abortion.signal)
    if (work.gone !== undefined) return row.onEnd({ is: 'aborted' })
    this.#attempt(work, { ...row, spentMs: spentMs + step.afterMs, inRow: inRow + 1 }, clock.monotonic())
  }

  /** Its handler was started so often, and each time its process ended first. */
  neverEnded(work: Work, starts: number): Outcome {
    const { name } = this.#options.subscription
    const text = `the handler of ${name} was started ${starts} times, and its process ended each time before it did`
    work.attempts = Math.max(work.attempts, starts)
    return this.#failed(work, { is: 'dead', error: new MekongError('HANDLER_NEVER_ENDED', text) })
  }

  #failed<Failed extends Outcome & { readonly error: unknown }>(work: Work, outcome: Failed): Failed {
    this.#report(work, outcome.error, outcome.is === 'delay' ? 'delay' : 'dead')
    return outcome
  }

  #report(work: Work, error: unknown, next: 'retry' | 'delay' | 'dead'): void {
    const { observe, subscription } = this.#options
    observe?.({ is: 'attempt-failed', attempt: work.attempts, error, next, ...named(subscription, work) })
  }

  #handled({ envelope, message }: Work, context: HandlerContext): Promise<unknown> {
    try {
      const { attributes } = envelope
      const event = readData(definitionOf(attributes.type, this.#options.contract), attributes, message)
      if (event instanceof Promise) return event.then(read => this.#handle(read, context))
      return Promise.resolve(this.#handle(event, context))
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** The middleware around the handlers, put together once. */
function compile(options: AttemptsOptions): (event: unknown, context: HandlerContext) => unknown {
  const { handlers } = options.subscription
  const handle = (event: unknown, context: HandlerContext): unknown => handlers.get(context.type)?.(event, context)
  const wrappers = options.middleware.flatMap(({ handle: wrap }) => (wrap === undefined ? [] : [wrap]))
  if (wrappers.length === 0) return handle
  const innermost = async (event: unknown, context: HandlerContext): Promise<void> => {
    await handle(event, context)
  }
  return wrappers.reduceRight<typeof innermost>(
    (next, wrap) => async (event, context) => wrap(event, context, () => next(event, context)),
    innermost,
  )
}

/** What every signal about an event says of it. */
export function named(subscription: Subscription, work: Work): { subscription: string; type: string; id: string } {
  const { type, id } = work.envelope.attributes
  return { subscription: subscription.name, type, id }
}
