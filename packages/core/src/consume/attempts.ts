import { wait, type Clock } from '../clock.ts'
import type { Contract } from '../contract.ts'
import { MekongError, isMekongError } from '../error.ts'
import { createCause } from '../event/cause.ts'
import { readData } from '../event/decode.ts'
import type { HandlerContext } from '../handler.ts'
import type { Middleware } from '../middleware.ts'
import type { Observer } from '../signal.ts'
import { Deadlines } from './deadlines.ts'
import { EventContext, type PublishFrom } from './handler-context.ts'
import { nextStep } from './retry-policy.ts'
import { definitionOf, type Subscription } from './subscription.ts'
import type { Work } from './work.ts'

export interface AttemptsOptions {
  readonly subscription: Subscription
  readonly contract: Contract | undefined
  readonly middleware: readonly Middleware[]
  readonly publishFrom: PublishFrom
  readonly clock: Clock
  readonly random: () => number
  readonly observe: Observer
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

/** How long an event that another owner works on is left alone when nobody can say for how long that is. */
export const busyPauseMs = 1000

/** Runs a handler for one event, again at once where its policy says so. */
export class Attempts {
  readonly #options: AttemptsOptions
  readonly #deadlines: Deadlines
  readonly #handle: (event: unknown, context: HandlerContext) => Promise<void>

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(options.clock, options.subscription.timeoutMs)
    this.#handle = compile(options)
  }

  async run(work: Work): Promise<Outcome> {
    const { clock, random, observe, subscription } = this.#options
    if (work.envelope.problem !== undefined) return this.#failed(work, { is: 'dead', error: work.envelope.problem })
    const startedAt = clock.monotonic()
    let spentMs = 0
    for (let inRow = 1; ; inRow++) {
      if (work.gone !== undefined) return { is: 'aborted' }
      work.attempts++
      const error = await this.#once(work)
      if (error === undefined) return { is: 'completed', tookMs: clock.monotonic() - startedAt }
      if (isMekongError(error) && error.code === 'BUSY') {
        work.attempts--
        observe({ is: 'busy', forMs: busyPauseMs, ...named(subscription, work) })
        return { is: 'busy' }
      }
      if (work.gone !== undefined) return { is: 'aborted' }
      const failure = { error, attempt: work.attempts, inRow: work.isOverrun ? Infinity : inRow, spentMs }
      work.rearm()
      const step = nextStep(subscription.retry, failure, random)
      if (step.is !== 'retry') return this.#failed(work, { ...step, error })
      this.#report(work, error, 'retry')
      spentMs += step.afterMs
      await wait(clock, step.afterMs, work.abortion.signal)
    }
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
    observe({ is: 'attempt-failed', attempt: work.attempts, error, next, ...named(subscription, work) })
  }

  /** One run: undefined when it succeeded, else what was thrown. */
  async #once(work: Work): Promise<unknown> {
    const { subscription, publishFrom } = this.#options
    const { attributes } = work.envelope
    const context = new EventContext({
      attributes,
      subscription,
      identity: work.identity,
      fence: work.fence,
      attempt: work.attempts,
      deliveries: work.message.deliveries,
      cause: createCause(attributes, work.identity),
      publishFrom,
      abortion: work.abortion,
    })
    try {
      await this.#untilDeadline(work, this.#readAndHandle(work, context))
      if (context.isDuplicate) this.#options.observe({ is: 'duplicate', by: 'inbox', ...named(subscription, work) })
      return undefined
    } catch (error) {
      return error ?? new MekongError('HANDLER_FAILED', `the handler of ${subscription.name} rejected with nothing`)
    }
  }

  async #readAndHandle({ envelope, message }: Work, context: HandlerContext): Promise<void> {
    const { attributes } = envelope
    const event = await readData(definitionOf(attributes.type, this.#options.contract), attributes, message)
    await this.#handle(event, context)
  }

  /**
   * At the deadline the handler's signal aborts. A handler that does not end within the grace counts as failed although it
   * may still run: that is why claims carry a fence.
   */
  #untilDeadline(work: Work, handled: Promise<void>): Promise<void> {
    const { subscription, clock, abortGraceMs } = this.#options
    const { abortion } = work
    return new Promise((resolve, reject) => {
      let cancelGrace: (() => void) | undefined
      let timeout: MekongError | undefined
      const cancelDeadline = this.#deadlines.set(() => {
        timeout = new MekongError(
          'HANDLER_TIMEOUT',
          `${subscription.name} took longer than ${subscription.timeoutMs} ms for ${work.envelope.attributes.type}`,
          { retryable: true },
        )
        abortion.abort(timeout)
        cancelGrace = clock.after(abortGraceMs, () => {
          work.isOverrun = true
          reject(timeout)
        })
      })
      const end = (): void => {
        cancelDeadline()
        cancelGrace?.()
      }
      handled.then(
        () => {
          end()
          resolve()
        },
        (error: unknown) => {
          end()
          reject(timeout ?? error)
        },
      )
    })
  }
}

/** The middleware around the handlers, put together once. */
function compile(options: AttemptsOptions): (event: unknown, context: HandlerContext) => Promise<void> {
  const { handlers } = options.subscription
  const innermost = async (event: unknown, context: HandlerContext): Promise<void> => {
    await handlers.get(context.type)?.(event, context)
  }
  return options.middleware.reduceRight((next, { handle }) => {
    if (handle === undefined) return next
    return async (event, context) => handle(event, context, () => next(event, context))
  }, innermost)
}

/** What every signal about an event says of it. */
export function named(subscription: Subscription, work: Work): { subscription: string; type: string; id: string } {
  const { type, id } = work.envelope.attributes
  return { subscription: subscription.name, type, id }
}
