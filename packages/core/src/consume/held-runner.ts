import { wait, type Clock } from '../clock.ts'
import { MekongError } from '../error.ts'
import { headerView } from '../event/headers.ts'
import type { HeldEvent, HoldLease } from '../hold/hold-store.ts'
import { createPause, type Pause } from '../pause.ts'
import type { Observer } from '../signal.ts'
import { busyPauseMs, named, type Attempts } from './attempts.ts'
import type { ClaimBook } from './claim-book.ts'
import { openEnvelope } from './envelope.ts'
import type { Holding } from './holding.ts'
import { persist, type Persistence } from './persist.ts'
import type { Slots } from './slots.ts'
import type { Subscription } from './subscription.ts'
import { Work } from './work.ts'

export interface HeldRunnerOptions extends Persistence {
  readonly subscription: Subscription
  readonly attempts: Attempts
  readonly slots: Slots
  readonly book: ClaimBook
  readonly holding: Holding
  readonly owner: string
  readonly leaseMs: number
  readonly pollMs: number
  readonly newToken: () => string
  readonly observe: Observer | undefined
  readonly clock: Clock
}

/** Whatever the store says is due: it is not asked more often than this for what it does not give. */
const shortestSleepMs = 10

/**
 * Hands held events to the handler again when they are due: delayed ones at their time, dead ones after a redrive, parked
 * ones when those before them are done. One lane at a time under a lease, each event through its claim, and never back to
 * the topic, where other groups would see it again.
 */
export class HeldRunner {
  readonly #options: HeldRunnerOptions
  readonly #running = new Map<Work | HoldLease, Promise<void>>()
  readonly #works = new Set<Work>()
  readonly #stopping = new AbortController()
  readonly #pause: Pause
  #loop: Promise<void> | undefined

  constructor(options: HeldRunnerOptions) {
    this.#options = options
    this.#pause = createPause(options.clock, this.#stopping.signal, 'background')
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Something was held or made due: look now rather than at the next poll. */
  wake(): void {
    this.#pause.end()
  }

  /** Another owner took the claim over: a handler that runs under it hears of that. */
  claimLost(work: Work): void {
    if (!this.#works.has(work)) return
    work.abort(new MekongError('FENCED', 'another owner took the event over', { retryable: true }))
  }

  /** Nothing more begins. */
  stop(): void {
    this.#stopping.abort()
  }

  /** Finishes the events at work; lanes not begun stay due. At `signal` their handlers are told to stop. */
  async drain(signal: AbortSignal): Promise<void> {
    this.stop()
    const abort = (): void => {
      for (const work of this.#works)
        work.abort(new MekongError('HANDLER_ABORTED', 'the event bus closes', { retryable: true }))
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    await this.#loop
    await Promise.all(this.#running.values())
    signal.removeEventListener('abort', abort)
  }

  async #run(): Promise<void> {
    const { subscription, holding, owner, leaseMs, pollMs, signal } = this.#options
    while (!this.#isStopping && !signal.aborted) {
      const limit = subscription.concurrency - this.#running.size
      if (limit === 0) {
        // The end of a lane wakes it.
        await this.#pause.wait(pollMs)
        continue
      }
      const request = { owner, leaseMs, limit }
      const leases = await persist(() => holding.store.leaseDue(subscription.scope, request), this.#options)
      for (const lease of leases ?? []) this.#begin(lease)
      if (leases?.length !== limit) await this.#pause.wait(await this.#untilDueMs())
    }
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  #begin(lease: HoldLease): void {
    const { observe, subscription, holding } = this.#options
    const lane = this.#runLane(lease)
      .catch((error: unknown) => {
        // Nothing in it may throw; if it does, the lease runs out and the lane is due again.
        holding.leases.forget(lease)
        observe?.({ is: 'notice', message: `${subscription.name}: ${String(error)}` })
      })
      .finally(() => {
        this.#running.delete(lease)
        this.wake()
      })
    this.#running.set(lease, lane)
  }

  /** Until the next event falls due, or other processes may have made one due. */
  async #untilDueMs(): Promise<number> {
    const { clock, pollMs, holding, subscription } = this.#options
    const dueAt = await persist(() => holding.store.nextDueAt(subscription.scope), this.#options)
    return dueAt === undefined ? pollMs : Math.min(pollMs, Math.max(shortestSleepMs, dueAt - clock.now()))
  }

  async #runLane(lease: HoldLease): Promise<void> {
    const { holding, slots, clock } = this.#options
    holding.leases.keep(lease)
    let pauseMs: number | undefined = 0
    let first: string | undefined
    while (pauseMs !== undefined && !this.#isStopping) {
      const event = await persist(() => holding.store.head(lease), this.#options)
      if (event === undefined) break
      first ??= event.event
      // Whoever had the lease before ended with this event at work, or about to be.
      const unended = event.event === first ? lease.takeovers : 0
      await slots.acquire()
      pauseMs = await this.#runEvent(lease, event, unended).finally(() => slots.give())
      if (pauseMs !== undefined && pauseMs > 0) await wait(clock, pauseMs, this.#stopping.signal)
    }
    await holding.release(lease)
  }

  /** After how long the lane, which is still ours, goes on; undefined: it is not ours, or is not to go on. */
  async #runEvent(lease: HoldLease, event: HeldEvent, unended: number): Promise<number | undefined> {
    if (this.#isStopping) return undefined
    const { book, holding, subscription } = this.#options
    const work = workOf(event, subscription, this.#options.newToken())
    const answer = await book.claimHeld(work)
    switch (answer?.is) {
      case undefined:
        return undefined
      case 'done':
        return atOnceIf(await holding.finish(lease, event.event))
      case 'busy':
      case 'held':
        // The one who runs it, or ran it and is paused, keeps its claim: its lane stays ours, and waits.
        return Math.min(answer.is === 'busy' ? answer.forMs : busyPauseMs, busyPauseMs)
      case 'mine':
        book.keep(work, answer.fence)
        return this.#attempt(lease, work, unended)
    }
  }

  async #attempt(lease: HoldLease, work: Work, unended: number): Promise<number | undefined> {
    const { book, holding, attempts, clock, observe, subscription } = this.#options
    observe?.({ is: 'redriven', attempt: work.attempts + 1, ...named(subscription, work) })
    this.#works.add(work)
    const isKiller = unended >= subscription.retry.maxAttempts
    const ended = isKiller ? Promise.resolve(attempts.neverEnded(work, unended)) : attempts.run(work)
    const outcome = await ended.finally(() => this.#works.delete(work))
    switch (outcome.is) {
      case 'completed':
        if ((await book.complete(work)) !== true) return undefined
        observe?.({ is: 'completed', attempt: work.attempts, tookMs: outcome.tookMs, ...named(subscription, work) })
        return atOnceIf(await holding.finish(lease, work.identity.event))
      case 'delay':
        await holding.keep(lease, work, {
          state: 'delayed',
          dueAt: clock.now() + outcome.afterMs,
          error: outcome.error,
        })
        return undefined
      case 'dead':
        if (lease.ordered && subscription.onDead === 'continue') {
          return atOnceIf(await holding.setAside(lease, work, outcome.error))
        }
        await holding.keep(lease, work, { state: 'dead', dueAt: undefined, error: outcome.error })
        return undefined
      case 'busy':
      case 'aborted':
        // Still held: a claim that is only given back would let the broker's next delivery run beside the record.
        await book.hold(work)
        return outcome.is === 'busy' ? busyPauseMs : undefined
    }
  }
}

function atOnceIf(left: 'more' | 'unparked' | 'lost'): 0 | undefined {
  return left === 'more' ? 0 : undefined
}

function workOf(event: HeldEvent, subscription: Subscription, token: string): Work {
  const { message } = event
  const incoming = {
    partition: { topic: message.topic, id: message.partition, epoch: -1 },
    position: message.position,
    key: message.key,
    body: message.body,
    headers: headerView(message.headers),
    deliveries: undefined,
    messageId: message.messageId,
  }
  return new Work({
    // The identity is the one under which it was held, also where the envelope was unreadable.
    envelope: { ...openEnvelope(incoming, () => event.event), event: event.event },
    message: incoming,
    identity: { scope: subscription.identityScope, event: event.event },
    token,
    attempts: event.state === 'dead' ? 0 : event.attempts,
  })
}
