import { wait } from '../clock.ts'
import { isMekongError, messageOf } from '../error.ts'
import type {
  HeldEvent,
  HeldMessage,
  HeldReason,
  HeldState,
  HoldLease,
  HoldLimits,
  HoldStore,
} from '../hold/hold-store.ts'
import type { Observer } from '../signal.ts'
import { named } from './attempts.ts'
import type { ClaimBook } from './claim-book.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { persist, type Persistence } from './persist.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

export interface HoldingOptions extends Persistence {
  readonly subscription: Subscription
  readonly store: HoldStore
  readonly book: ClaimBook
  readonly limits: HoldLimits
  readonly leaseMs: number
  /** Names this process to the hold store. */
  readonly owner: string
  readonly observe: Observer | undefined
  /** Something is held that may be due before the next poll. */
  readonly onHeld: () => void
  /** A limit is reached: the work's partition pauses until the returned function is called. */
  readonly onFull: (work: Work) => () => void
}

/** How often a full hold store is asked again. */
const fullPauseMs = 1000

/** Why an event is held. */
export interface Holdup {
  readonly state: 'dead' | 'delayed'
  readonly dueAt: number | undefined
  readonly error: unknown
}

/** How many events, from the first on, wait in their parked lane now, and why the next one does not. */
export interface Appended {
  readonly count: number
  /** `not-parked`: the key is free. `lost`: the claim of the next event is somebody else's. */
  readonly stoppedBy: 'not-parked' | 'lost' | undefined
}

/**
 * Moves events of one subscription into its hold store. Each step is safe to repeat after a crash: the claim is extended,
 * the record written under its fence, the claim marked held; only then is the delivery acknowledged.
 */
export class Holding {
  readonly #options: HoldingOptions
  readonly leases: LeaseKeeper<HoldLease>

  constructor(options: HoldingOptions) {
    this.#options = options
    this.leases = new LeaseKeeper({
      ...options,
      extend: (leases, leaseMs) => options.store.extend(leases, leaseMs),
      // Whoever has it now finds the claim of what runs here in progress, and waits for it.
      onLost: () => undefined,
    })
  }

  get store(): HoldStore {
    return this.#options.store
  }

  get isDurable(): boolean {
    return this.#options.store.durable
  }

  /** `lost`: the claim is somebody else's, nothing was written. Undefined: closing gave up. */
  async hold(work: Work, why: Holdup, key: string | undefined): Promise<'held' | 'lost' | undefined> {
    const record = this.#record(work, why.state, key, why)
    const written = await this.#whileFull(work, async () => {
      const [extended] = await this.#options.book.extendNow([work])
      return extended === true ? this.store.hold(record, this.#options.limits) : 'lost'
    })
    if (written === undefined || written === 'lost' || written === 'full')
      return written === 'lost' ? 'lost' : undefined
    await this.#options.book.hold(work)
    this.#report(work, why.state, key, record.reason)
    this.#options.onHeld()
    return 'held'
  }

  /** Undefined: closing gave up. */
  async appendIfParked(works: readonly Work[], key: string): Promise<Appended | undefined> {
    const [first] = works
    if (first === undefined) return { count: 0, stoppedBy: undefined }
    const records = works.map(work => this.#record(work, 'parked', key))
    let count = 0
    const stoppedBy = await this.#whileFull(first, async () => {
      const extended = await this.#options.book.extendNow(works.slice(count))
      const lost = extended.indexOf(false)
      const ours = lost < 0 ? works.length : count + lost
      const answers = await this.store.appendIfParked(records.slice(count, ours), this.#options.limits)
      const refused = answers.findIndex(answer => answer !== 'appended')
      count = refused < 0 ? ours : count + refused
      if (refused >= 0) return answers[refused] === 'full' ? 'full' : 'not-parked'
      return lost < 0 ? 'nothing' : 'lost'
    })
    if (stoppedBy === undefined || stoppedBy === 'full') return undefined
    const taken = works.slice(0, count)
    await Promise.all(taken.map(work => this.#options.book.hold(work)))
    for (const work of taken) this.#report(work, 'parked', key, waitsBehind)
    return { count, stoppedBy: stoppedBy === 'nothing' ? undefined : stoppedBy }
  }

  /** Moves a whole lane, its running head included, behind a lease that the head's end gives back. */
  async spill(works: readonly Work[], key: string): Promise<HoldLease | undefined> {
    const { owner, leaseMs, limits, observe, subscription, book } = this.#options
    const lease = await persist(async () => {
      const extended = await book.extendNow(works)
      if (extended.includes(false)) return undefined
      return this.store.spill(
        works.map(work => this.#record(work, 'parked', key)),
        { owner, leaseMs, limits },
      )
    }, this.#options)
    if (lease === undefined) return undefined
    this.leases.keep(lease)
    observe?.({ is: 'spilled', subscription: subscription.name, key, events: works.length })
    return lease
  }

  /** The head of a leased lane failed again: it stays the head. False: the lease was lost. */
  async keep(lease: HoldLease, work: Work, why: Holdup): Promise<boolean> {
    const key = lease.ordered ? lease.lane : undefined
    const record = this.#record(work, why.state, key, why)
    const kept = await persist(() => this.store.keep(lease, record), this.#options)
    this.leases.forget(lease)
    await this.#options.book.hold(work)
    if (kept === true) this.#report(work, why.state, key, record.reason)
    this.#options.onHeld()
    return kept === true
  }

  /** The head of a leased lane is dead, and the events behind it are not to wait for it. */
  async setAside(lease: HoldLease, work: Work, error: unknown): Promise<'more' | 'unparked' | 'lost'> {
    const record = this.#record(work, 'dead', undefined, { state: 'dead', dueAt: undefined, error })
    const left = this.#left(lease, await persist(() => this.store.setAside(lease, record), this.#options))
    if (left === 'lost') return left
    await this.#options.book.hold(work)
    this.#report(work, 'dead', undefined, record.reason)
    return left
  }

  /** The head of a leased lane is completed. */
  async finish(lease: HoldLease, event: string): Promise<'more' | 'unparked' | 'lost'> {
    return this.#left(lease, await persist(() => this.store.finish(lease, event), this.#options))
  }

  #left(lease: HoldLease, finished: 'more' | 'unparked' | 'lost' | undefined): 'more' | 'unparked' | 'lost' {
    if (finished !== 'unparked') return finished ?? 'lost'
    this.leases.forget(lease)
    const { observe, subscription } = this.#options
    if (lease.ordered) observe?.({ is: 'unparked', subscription: subscription.name, key: lease.lane })
    return 'unparked'
  }

  async release(lease: HoldLease): Promise<void> {
    this.leases.forget(lease)
    await persist(() => this.store.release(lease), this.#options)
    this.#options.onHeld()
  }

  lookup(works: readonly Work[]): Promise<readonly ('held' | 'parked' | 'free')[] | undefined> {
    const { subscription } = this.#options
    const queries = works.map(work => ({
      event: work.identity.event,
      key: subscription.ordered ? work.envelope.attributes.key : undefined,
    }))
    return persist(() => this.store.lookup(subscription.scope, queries), this.#options)
  }

  parkedKeys(): Promise<readonly string[] | undefined> {
    return persist(() => this.store.parkedKeys(this.#options.subscription.scope), this.#options)
  }

  async #whileFull<Answer extends string>(work: Work, write: () => Promise<Answer>): Promise<Answer | undefined> {
    let answer = await persist(write, this.#options)
    if (answer !== 'full') return answer
    const { observe, subscription, clock, signal, onFull } = this.#options
    observe?.({
      is: 'notice',
      message: `the hold store of ${subscription.name} has reached its limits: its partitions pause`,
    })
    const resume = onFull(work)
    while (answer === 'full' && !signal.aborted) {
      await wait(clock, fullPauseMs, signal)
      answer = await persist(write, this.#options)
    }
    resume()
    return answer
  }

  #record(work: Work, state: HeldState, key: string | undefined, why?: Holdup): HeldEvent {
    return {
      scope: this.#options.subscription.scope,
      event: work.identity.event,
      key,
      state,
      dueAt: why?.dueAt,
      message: heldMessage(work),
      attempts: work.attempts,
      reason: why === undefined ? waitsBehind : reasonOf(why.error),
      heldAt: this.#options.clock.now(),
      fence: work.fence,
    }
  }

  #report(work: Work, state: HeldState, key: string | undefined, reason: HeldReason): void {
    const { observe, subscription } = this.#options
    observe?.({ is: 'held', state, key, reason: `${reason.code}: ${reason.message}`, ...named(subscription, work) })
  }
}

const waitsBehind: HeldReason = { code: 'PARKED', message: 'waits behind a held event of its key' }

export function reasonOf(error: unknown): HeldReason {
  if (isMekongError(error)) return { code: error.code, message: messageOf(error) }
  return { code: error instanceof Error ? error.name : 'HANDLER_FAILED', message: messageOf(error) }
}

function heldMessage({ message }: Work): HeldMessage {
  return {
    topic: message.partition.topic,
    partition: message.partition.id,
    position: message.position,
    messageId: message.messageId,
    key: message.key,
    headers: Object.fromEntries(message.headers.entries()),
    body: message.body,
  }
}
