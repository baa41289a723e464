import { wait, type Clock } from '../clock.ts'
import { MekongError } from '../error.ts'
import { headerView } from '../event/headers.ts'
import type { HeldEvent, HoldLease } from '../hold/hold-store.ts'
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
  readonly observe: Observer
  readonly clock: Clock
}

const leastPauseMs = 20

/**
 * Hands held events to the handler again when they are due: delayed ones at their time, dead ones after a redrive, parked
 * ones when those before them are done. One lane at a time under a lease, each event through its claim, and never back to
 * the topic, where other groups would see it again.
 */
export class HeldRunner {
  readonly #options: HeldRunnerOptions
  readonly #running = new Map<Work | HoldLease, Promise<void>>()
  readonly #works = new Set<Work>()
  #wake: () => void = () => undefined
  #isStopping = false
  #loop: Promise<void> | undefined

  constructor(options: HeldRunnerOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Something was held or made due: look now rather than at the next poll. */
  wake(): void {
    this.#wake()
  }

  /** Finishes the events at work; lanes not begun stay due. At `signal` their handlers are told to stop. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isStopping = true
    this.wake()
    const abort = (): void => {
      for (const work of this.#works) work.abort(new MekongError('HANDLER_ABORTED', 'the event bus closes', { retryable: true }))
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    await this.#loop
    await Promise.all(this.#running.values())
    signal.removeEventListener('abort', abort)
  }

  async #run(): Promise<void> {
    const { subscription, holding, owner, leaseMs, signal } = this.#options
    while (!this.#isStopping && !signal.aborted) {
      const limit = subscription.concurrency - this.#running.size
      const request = { owner, leaseMs, limit }
      const leases = limit > 0 ? await persist(() => holding.store.leaseDue(subscription.scope, request), this.#options) : []
      for (const lease of leases ?? []) this.#begin(lease)
      if (limit === 0) await this.#untilWoken(undefined)
      else if (leases?.length !== limit) await this.#sleep()
    }
  }

  #begin(lease: HoldLease): void {
    const lane = this.#runLane(lease).finally(() => {
      this.#running.delete(lease)
      this.wake()
    })
    this.#running.set(lease, lane)
  }

  /** Until the next event falls due, a poll is due, or somebody wakes it. */
  async #sleep(): Promise<void> {
    const { clock, pollMs, holding, subscription } = this.#options
    const dueAt = await persist(() => holding.store.nextDueAt(subscription.scope), this.#options)
    // What looks due by our clock and was not given out is another's at the moment, or due by the store's clock later.
    await this.#untilWoken(dueAt === undefined ? pollMs : Math.min(pollMs, Math.max(leastPauseMs, dueAt - clock.now())))
  }

  async #untilWoken(pauseMs: number | undefined): Promise<void> {
    if (this.#isStopping) return
    await new Promise<void>(resolve => {
      const cancel = pauseMs === undefined ? undefined : this.#options.clock.after(pauseMs, resolve, 'background')
      this.#wake = () => {
        cancel?.()
        resolve()
      }
    })
  }

  async #runLane(lease: HoldLease): Promise<void> {
    const { holding, slots } = this.#options
    holding.leases.keep(lease)
    let goesOn = true
    while (goesOn && !this.#isStopping) {
      const event = await persist(() => holding.store.head(lease), this.#options)
      if (event === undefined) break
      await slots.acquire()
      goesOn = await this.#runEvent(lease, event).finally(() => slots.give())
    }
    await holding.release(lease)
  }

  /** True: the lane is still ours and may have more. */
  async #runEvent(lease: HoldLease, event: HeldEvent): Promise<boolean> {
    const { book, holding, subscription, clock } = this.#options
    const work = workOf(event, subscription, this.#options.newToken())
    const answer = await book.claimHeld(work)
    switch (answer?.is) {
      case undefined:
        return false
      case 'done':
        return (await holding.finish(lease, event.event)) === 'more'
      case 'busy':
      case 'held':
        // The one who runs it, or ran it and is paused, keeps its claim: its lane stays ours, and waits.
        await wait(clock, Math.min(answer.is === 'busy' ? answer.forMs : busyPauseMs, busyPauseMs), this.#options.signal)
        return true
      case 'mine':
        book.keep(work, answer.fence)
        return this.#attempt(lease, work)
    }
  }

  async #attempt(lease: HoldLease, work: Work): Promise<boolean> {
    const { book, holding, attempts, clock, observe, subscription } = this.#options
    observe({ is: 'redriven', attempt: work.attempts + 1, ...named(subscription, work) })
    this.#works.add(work)
    const outcome = await attempts.run(work).finally(() => this.#works.delete(work))
    switch (outcome.is) {
      case 'completed':
        if ((await book.complete(work)) !== true) return false
        observe({ is: 'completed', attempt: work.attempts, tookMs: outcome.tookMs, ...named(subscription, work) })
        return (await holding.finish(lease, work.identity.event)) === 'more'
      case 'delay':
        await holding.keep(lease, work, { state: 'delayed', dueAt: clock.now() + outcome.afterMs, error: outcome.error })
        return false
      case 'dead':
        if (lease.ordered && subscription.onDead === 'continue') {
          return (await holding.setAside(lease, work, outcome.error)) === 'more'
        }
        await holding.keep(lease, work, { state: 'dead', dueAt: undefined, error: outcome.error })
        return false
      case 'busy':
      case 'aborted':
        // Still held: a claim that is only given back would let the broker's next delivery run beside the record.
        await book.hold(work)
        await wait(clock, outcome.is === 'busy' ? busyPauseMs : 0, this.#options.signal)
        return outcome.is === 'busy'
    }
  }
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
