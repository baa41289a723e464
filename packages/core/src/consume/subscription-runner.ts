import { wait } from '../clock.ts'
import type { Capabilities, Partition } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import type { ClaimAnswer } from '../idempotency/idempotency-store.ts'
import type { Observer } from '../signal.ts'
import { type Attempts, busyPauseMs, named, type Outcome } from './attempts.ts'
import type { ClaimBook } from './claim-book.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Delivery } from './delivery.ts'
import { Entry } from './entry.ts'
import type { Appended, Holding, Holdup } from './holding.ts'
import { Lane } from './lane.ts'
import type { Persistence } from './persist.ts'
import { canRedeliver } from './redelivery.ts'
import type { Slots } from './slots.ts'
import type { Subscription } from './subscription.ts'
import { Work, type Envelope } from './work.ts'

export interface SubscriptionRunnerOptions extends Persistence {
  readonly subscription: Subscription
  readonly capabilities: Capabilities
  readonly attempts: Attempts
  readonly slots: Slots
  readonly book: ClaimBook
  /** Whether claims survive this process: if not, held events must be looked for after a restart. */
  readonly claimsAreDurable: boolean
  readonly holding: Holding | undefined
  readonly deadLetters: DeadLetters
  readonly newToken: () => string
  readonly observe: Observer
}

/** What arrived for a subscription: a message with its opened envelope. */
export interface Arrival {
  readonly envelope: Envelope
  readonly delivery: Delivery
}

/** How many events a broker redelivers whose attempts are remembered here. */
const maxRemembered = 10_000
/** A lease says how long its owner may take, not how long it will: it is asked for again sooner, ever later. */
const firstBusyPauseMs = 25
/** A redelivery sooner than this is not worth giving up the place in this process. */
const worthRedeliveringMs = 5000

/**
 * Runs the events of one subscription: lanes by key, claims, attempts, and what follows each. The state machine, with what
 * a crash after each step leaves behind, is in docs/architecture.md.
 */
export class SubscriptionRunner {
  readonly subscription: Subscription
  readonly #options: SubscriptionRunnerOptions
  readonly #entries = new Map<string, Entry>()
  readonly #lanes = new Map<string, Lane>()
  readonly #ready = new Set<Lane>()
  /** Keys that may be parked; read when a partition is assigned, so only where a partition stays with its owner. */
  readonly #parkedKeys = new Set<string>()
  readonly #attemptsMade = new Map<string, number>()
  readonly #admissions = new Set<Promise<void>>()
  #whenIdle: (() => void)[] = []
  #isClosing = false

  constructor(options: SubscriptionRunnerOptions) {
    this.#options = options
    this.subscription = options.subscription
    options.slots.onFree = () => this.#dispatch()
  }

  /** Nothing of a partition arrives before this resolves. */
  async assigned(): Promise<void> {
    const { holding, capabilities } = this.#options
    if (holding === undefined || !this.subscription.ordered || capabilities.affinity !== 'partition') return
    for (const key of (await holding.parkedKeys()) ?? []) {
      this.#parkedKeys.add(key)
      // Held by an owner in between, while a handler of this process still ran from the time before.
      const lane = this.#lanes.get(key)
      if (lane !== undefined) lane.parked = true
    }
  }

  /** All that arrived together: one round trip claims it. */
  accept(arrivals: readonly Arrival[]): void {
    if (this.#isClosing) return
    const fresh: Entry[] = []
    for (const { envelope, delivery } of arrivals) {
      const known = this.#entries.get(envelope.event)
      if (known !== undefined) known.attach(delivery)
      else fresh.push(this.#enter(envelope, delivery))
    }
    if (fresh.length > 0) void this.#admit(fresh)
  }

  /** What waits leaves its lane; what runs ends (drain), or hears that it must (lost). */
  async leave(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    const waiting: Entry[] = []
    for (const entry of this.#entries.values()) {
      if (!entry.isOn(partition)) continue
      const isRunning = entry.state === 'running'
      if (isRunning && how === 'drain') continue
      entry.detach(delivery => delivery.partition === partition)
      if (!entry.isDetached) continue
      if (isRunning) entry.work.abort(wentAway(partition))
      else waiting.push(entry)
    }
    this.#drop(waiting)
    this.#checkIdle()
    if (how === 'drain') await this.#untilNoneRuns(entry => entry.isOn(partition))
  }

  /** These handles died; the messages come again, and attach to what still runs. */
  lost(deliveries: ReadonlySet<Delivery>): void {
    for (const entry of this.#entries.values()) entry.detach(delivery => deliveries.has(delivery))
    this.#drop([...this.#entries.values()].filter(entry => entry.isDetached && entry.state !== 'running'))
    this.#checkIdle()
  }

  /** Another owner took the claim over: what runs hears of it, what waits asks again when its turn comes. */
  claimLost(work: Work): void {
    const entry = this.#entries.get(work.identity.event)
    if (entry?.work !== work) return
    entry.isClaimed = false
    if (entry.state === 'running')
      work.abort(new MekongError('FENCED', 'another owner took the event over', { retryable: true }))
    else if (entry.state === 'ready') void this.#claimAgain(entry, 0)
  }

  /** Moves lanes that fill more than `most` messages of a partition into the hold store. */
  async spill(partition: Partition, most: number): Promise<void> {
    for (const lane of this.#lanes.values()) {
      const filled = lane.entries().filter(entry => entry.isOn(partition)).length
      if (filled <= most || lane.stopped || lane.moving !== undefined || lane.head?.isEnding === true) continue
      if (lane.parked) await this.#spillTail(lane)
      else await this.#spillLane(lane)
    }
  }

  /** Drops what waits and resolves when nothing runs, or when `signal` aborts: then handlers are told to stop. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isClosing = true
    this.#drop([...this.#entries.values()].filter(entry => entry.state !== 'running'))
    const abort = (): void => {
      for (const { work } of this.#entries.values()) {
        work.abort(new MekongError('HANDLER_ABORTED', 'the event bus closes', { retryable: true }))
      }
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    await this.#untilNoneRuns(() => true)
    // Claims that are not given back would let the next owner wait for their leases to run out.
    await Promise.race([this.#untilGivenBack(), aborted(signal)])
    signal.removeEventListener('abort', abort)
  }

  /** Where a dead event stopped its lane: the key, or the event itself where no order is kept. */
  stoppedLanes(): readonly string[] {
    const stopped = [...this.#entries.values()].filter(entry => entry.lane.stopped && entry.lane.head === entry)
    return stopped.map(entry => entry.lane.key ?? entry.work.identity.event)
  }

  #enter(envelope: Envelope, delivery: Delivery): Entry {
    const work = new Work({
      envelope,
      message: delivery.incoming,
      identity: { scope: this.subscription.identityScope, event: envelope.event },
      token: this.#options.newToken(),
      attempts: this.#attemptsMade.get(envelope.event) ?? 0,
    })
    const entry = new Entry(work, this.#laneFor(envelope.attributes.key), delivery)
    this.#entries.set(envelope.event, entry)
    entry.lane.push(entry)
    this.#options.observe({
      is: 'received',
      deliveries: delivery.incoming.deliveries,
      ...named(this.subscription, work),
    })
    return entry
  }

  #laneFor(key: string | undefined): Lane {
    if (!this.subscription.ordered || key === undefined) return new Lane(undefined)
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key)
      lane.parked = this.#parkedKeys.has(key)
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #admit(entries: readonly Entry[]): Promise<void> {
    const admission = this.#claim(entries).finally(() => this.#admissions.delete(admission))
    this.#admissions.add(admission)
    return admission
  }

  async #claim(entries: readonly Entry[]): Promise<void> {
    const answers = await this.#options.book.claimAll(entries.map(entry => entry.work))
    const unsure: Entry[] = []
    entries.forEach((entry, index) => {
      const answer = answers[index]
      if (answer === undefined || !this.#answered(entry, answer)) return
      if (answer.is === 'mine' && this.#mustLookUp(entry, answer.takeover)) unsure.push(entry)
      else entry.state = 'ready'
    })
    if (unsure.length > 0) await this.#lookUp(unsure)
    for (const entry of entries) this.#advance(entry.lane)
  }

  /** True: the entry is ours now. */
  #answered(entry: Entry, answer: ClaimAnswer): boolean {
    if (entry.state === 'gone') {
      if (answer.is === 'mine') {
        entry.work.fence = answer.fence
        void this.#options.book.release(entry.work)
      }
      return false
    }
    switch (answer.is) {
      case 'mine':
        this.#options.book.keep(entry.work, answer.fence)
        entry.isClaimed = true
        entry.timesBusy = 0
        return true
      case 'done':
        this.#options.observe({ is: 'duplicate', by: 'store', ...named(this.subscription, entry.work) })
        this.#end(entry, true)
        return false
      case 'held':
        // Its key is parked now, perhaps by the consumer that had the partition before.
        entry.lane.parked = entry.lane.key !== undefined && this.#options.holding !== undefined
        this.#end(entry, this.#options.holding?.isDurable ?? false)
        return false
      case 'busy':
        this.#waitFor(entry, answer.forMs)
        return false
    }
  }

  #waitFor(entry: Entry, forMs: number): void {
    const { observe, capabilities } = this.#options
    observe({ is: 'busy', forMs, ...named(this.subscription, entry.work) })
    if (forMs >= worthRedeliveringMs && entry.lane.key === undefined && canRedeliver(capabilities, forMs, false)) {
      this.#remove(entry)
      entry.decide({ is: 'again', afterMs: forMs, tried: false })
    } else void this.#claimAgain(entry, Math.min(forMs, busyPauseMs, firstBusyPauseMs * 2 ** entry.timesBusy++))
  }

  async #claimAgain(entry: Entry, afterMs: number): Promise<void> {
    const { clock, signal, newToken } = this.#options
    entry.state = 'claiming'
    entry.work.renew()
    if (!this.#isClosing) await wait(clock, afterMs, signal)
    if (entry.state !== 'claiming') return
    if (this.#isClosing) return this.#drop([entry])
    // Its own token finds its own claim.
    if (!entry.isClaimed) entry.work.token = newToken()
    await this.#admit([entry])
  }

  /** A cache of parked keys answers for a partition; everything else is asked of the store. */
  #mustLookUp(entry: Entry, takeover: boolean): boolean {
    const { holding, capabilities, claimsAreDurable } = this.#options
    if (holding === undefined) return false
    if (takeover) return true
    if (entry.lane.key !== undefined && capabilities.affinity !== 'partition') return true
    return !claimsAreDurable && holding.isDurable && entry.work.message.deliveries !== 1
  }

  async #lookUp(entries: readonly Entry[]): Promise<void> {
    const found = await this.#options.holding?.lookup(entries.map(entry => entry.work))
    if (found === undefined) return
    for (const [index, entry] of entries.entries()) {
      if (entry.state === 'gone') continue
      if (found[index] === 'held') {
        await this.#options.book.hold(entry.work)
        entry.lane.parked ||= entry.lane.key !== undefined
        this.#end(entry, this.#options.holding?.isDurable ?? false)
      } else {
        entry.lane.parked ||= found[index] === 'parked'
        entry.state = 'ready'
      }
    }
  }

  #advance(lane: Lane): void {
    if (lane.head === undefined && lane.key !== undefined && !lane.busy) {
      if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
      this.#rememberParked(lane)
      return
    }
    if (lane.busy || lane.stopped || lane.head?.state !== 'ready') return
    lane.busy = true
    this.#ready.add(lane)
    this.#dispatch()
  }

  #rememberParked(lane: Lane): void {
    if (lane.key === undefined || this.#options.capabilities.affinity !== 'partition') return
    if (lane.parked) this.#parkedKeys.add(lane.key)
    else this.#parkedKeys.delete(lane.key)
  }

  #dispatch(): void {
    if (this.#isClosing) return
    for (const lane of this.#ready) {
      const isReady = lane.head?.state === 'ready'
      if (isReady && !this.#options.slots.take()) return
      this.#ready.delete(lane)
      if (isReady) void this.#turn(lane)
      else this.#idle(lane)
    }
  }

  async #turn(lane: Lane): Promise<void> {
    const entry = lane.head
    try {
      if (entry?.state === 'ready') await this.#process(entry)
    } catch (error) {
      // Nothing above may throw; if it does, the event waits and runs again rather than vanish.
      this.#options.observe({ is: 'notice', message: `${this.subscription.name}: ${String(error)}` })
      if (entry !== undefined && entry.state !== 'gone') void this.#claimAgain(entry, busyPauseMs)
    }
    this.#idle(lane)
    this.#options.slots.give()
    this.#checkIdle()
  }

  #idle(lane: Lane): void {
    lane.busy = false
    this.#advance(lane)
  }

  async #process(entry: Entry): Promise<void> {
    entry.state = 'running'
    entry.isEnding = false
    if (entry.lane.parked && (await this.#parkBehind(entry.lane))) return
    const outcome = await this.#options.attempts.run(entry.work)
    entry.isEnding = true
    // A spill under way decides where its end is told.
    await entry.lane.moving
    if (entry.spill !== undefined) return this.#endSpilled(entry, outcome)
    switch (outcome.is) {
      case 'completed':
        return this.#complete(entry, outcome.tookMs)
      case 'delay':
        return this.#delay(entry, outcome.afterMs, outcome.error)
      case 'dead':
        return this.#dead(entry, outcome.error)
      case 'busy':
        if (entry.isDetached) return this.#giveBack(entry)
        void this.#claimAgain(entry, busyPauseMs)
        return
      case 'aborted':
        return this.#giveBack(entry)
    }
  }

  /** False: the key is free, and the head of the lane runs. */
  async #parkBehind(lane: Lane): Promise<boolean> {
    const { holding } = this.#options
    if (holding === undefined || lane.key === undefined) return false
    const claimed = leadingClaimed(lane)
    const appended = await this.#append(claimed, lane, lane.key)
    // While the key may be parked the store is asked before each event, so the rest runs only now that it is free.
    if (appended?.stoppedBy === 'not-parked') lane.parked = false
    return appended?.stoppedBy !== 'not-parked' || appended.count > 0
  }

  /** These are at work meanwhile; what found no room in the parked lane waits for its turn, unless that is now. */
  async #append(entries: readonly Entry[], lane: Lane, key: string): Promise<Appended | undefined> {
    const { holding } = this.#options
    for (const entry of entries) entry.state = 'running'
    const works = entries.map(entry => entry.work)
    const appended = await moving(lane, () => holding?.appendIfParked(works, key))
    const next = appended?.stoppedBy === 'not-parked' && appended.count === 0 ? lane.head : undefined
    for (const [index, entry] of entries.entries()) {
      if (appended === undefined) this.#remove(entry)
      else if (index < appended.count) this.#end(entry, holding?.isDurable ?? false)
      else if (entry !== next) this.#stay(entry)
    }
    return appended
  }

  /** The hold store did not take it: it waits for its turn, unless it was lost meanwhile. */
  #stay(entry: Entry): void {
    if (entry.state === 'gone') {
      if (entry.isClaimed) void this.#options.book.release(entry.work)
    } else if (!entry.isClaimed) this.#reclaim(entry)
    else {
      entry.state = 'ready'
      entry.work.renew()
      if (entry.isDetached || this.#isClosing) this.#drop([entry])
    }
    this.#checkIdle()
  }

  async #complete(entry: Entry, tookMs: number): Promise<void> {
    const { observe, book } = this.#options
    const completed = await book.complete(entry.work)
    if (completed === true) {
      observe({ is: 'completed', attempt: entry.work.attempts, tookMs, ...named(this.subscription, entry.work) })
      this.#end(entry, true)
    } else if (completed === false) {
      observe({ is: 'fenced', ...named(this.subscription, entry.work) })
      this.#reclaim(entry)
    } else this.#remove(entry)
  }

  async #delay(entry: Entry, afterMs: number, error: unknown): Promise<void> {
    const { capabilities, holding, book, clock } = this.#options
    if (canRedeliver(capabilities, afterMs, entry.lane.key !== undefined)) {
      this.#rememberAttempts(entry.work)
      await book.release(entry.work)
      this.#handBack(entry, afterMs)
    } else if (holding !== undefined) {
      await this.#hold(entry, { state: 'delayed', dueAt: clock.now() + afterMs, error }, entry.lane.key)
    } else await this.#dead(entry, error)
  }

  /** With everything behind it in its lane: the broker keeps their order, and what is in hand must not overtake. */
  #handBack(head: Entry, afterMs: number): void {
    const lane = [...head.lane.entries()]
    this.#drop(lane)
    for (const entry of lane) {
      entry.decide(entry === head ? { is: 'again', afterMs, tried: true } : { is: 'again', afterMs: 0, tried: false })
    }
  }

  async #dead(entry: Entry, error: unknown): Promise<void> {
    const { onDead, name } = this.subscription
    const { holding, deadLetters, book, observe } = this.#options
    if (onDead === 'stop') {
      entry.lane.stopped = true
      entry.state = 'ready'
      observe({
        is: 'notice',
        message: `${name} stopped at a dead event${entry.lane.key === undefined ? '' : ` of key ${entry.lane.key}`}`,
      })
    } else if (holding !== undefined) {
      const key = onDead === 'park' ? entry.lane.key : undefined
      await this.#hold(entry, { state: 'dead', dueAt: undefined, error }, key)
    } else {
      const sent = await deadLetters.send(this.subscription, entry.work, error)
      if (sent) await book.complete(entry.work)
      if (sent) this.#end(entry, true)
      else this.#remove(entry)
    }
  }

  async #hold(entry: Entry, why: Holdup, key: string | undefined): Promise<void> {
    const { holding } = this.#options
    const held = await holding?.hold(entry.work, why, key)
    if (held === 'lost') return this.#reclaim(entry)
    if (held === undefined) return this.#remove(entry)
    entry.lane.parked = key !== undefined
    this.#end(entry, holding?.isDurable ?? false)
  }

  /** Another owner took the claim over: whoever still waits for this event learns from the store what became of it. */
  #reclaim(entry: Entry): void {
    entry.isClaimed = false
    if (entry.isDetached) this.#remove(entry)
    else void this.#claimAgain(entry, 0)
  }

  /** Its partition, its claim or the time of closing is gone. */
  async #giveBack(entry: Entry): Promise<void> {
    await this.#options.book.release(entry.work)
    if (this.#options.signal.aborted) this.#remove(entry)
    else this.#reclaim(entry)
  }

  async #spillLane(lane: Lane): Promise<void> {
    const { holding, book } = this.#options
    if (holding === undefined || lane.key === undefined) return
    const claimed = leadingClaimed(lane)
    const isHeadRunning = lane.head?.state === 'running'
    const works = claimed.map(entry => entry.work)
    const waiting = claimed.filter(entry => entry.state !== 'running')
    for (const entry of waiting) entry.state = 'running'
    const { key, head } = lane
    const lease = await moving(lane, async () => {
      const given = await holding.spill(works, key)
      if (isHeadRunning && head?.state === 'running') head.spill = given
      return given
    })
    if (lease === undefined) {
      for (const entry of waiting) this.#stay(entry)
      return this.#advance(lane)
    }
    lane.parked = true
    if (head?.spill === lease) head.decide({ is: 'over', durable: holding.isDurable })
    await Promise.all(waiting.map(entry => book.hold(entry.work)))
    for (const entry of waiting) this.#end(entry, holding.isDurable)
    if (head?.spill !== lease) await holding.release(lease)
  }

  /** Behind a head that still runs and whose lane was spilled before: what came since joins the parked ones. */
  async #spillTail(lane: Lane): Promise<void> {
    if (lane.key === undefined || lane.head?.spill === undefined) return
    const tail = leadingClaimed(lane).filter(entry => entry.state === 'ready')
    await this.#append(tail, lane, lane.key)
    this.#advance(lane)
  }

  /** The head of a spilled lane ended: the hold store goes on with the events behind it. */
  async #endSpilled(entry: Entry, outcome: Outcome): Promise<void> {
    const { holding, book, clock } = this.#options
    const lease = entry.spill
    if (holding === undefined || lease === undefined) return
    if (outcome.is === 'completed') {
      if ((await book.complete(entry.work)) === true) await holding.finish(lease, entry.work.identity.event)
      await holding.release(lease)
    } else if (outcome.is === 'delay') {
      await holding.keep(lease, entry.work, {
        state: 'delayed',
        dueAt: clock.now() + outcome.afterMs,
        error: outcome.error,
      })
    } else if (outcome.is === 'dead' && this.subscription.onDead === 'continue') {
      await holding.setAside(lease, entry.work, outcome.error)
      await holding.release(lease)
    } else if (outcome.is === 'dead') {
      await holding.keep(lease, entry.work, { state: 'dead', dueAt: undefined, error: outcome.error })
    } else {
      await book.hold(entry.work)
      await holding.release(lease)
    }
    // The same message may have come again while it ran.
    this.#end(entry, holding.isDurable)
  }

  #rememberAttempts(work: Work): void {
    const { event } = work.identity
    this.#attemptsMade.delete(event)
    this.#attemptsMade.set(event, work.attempts)
    if (this.#attemptsMade.size <= maxRemembered) return
    for (const oldest of this.#attemptsMade.keys()) {
      this.#attemptsMade.delete(oldest)
      return
    }
  }

  #end(entry: Entry, durable: boolean): void {
    if (entry.state === 'gone') return
    this.#attemptsMade.delete(entry.work.identity.event)
    this.#remove(entry)
    entry.decide({ is: 'over', durable })
  }

  #remove(entry: Entry): void {
    this.#leaveLane(entry)
    this.#advance(entry.lane)
  }

  #leaveLane(entry: Entry): void {
    entry.state = 'gone'
    if (this.#entries.get(entry.work.identity.event) === entry) this.#entries.delete(entry.work.identity.event)
    entry.lane.remove(entry)
    this.#checkIdle()
  }

  /**
   * These never ran: their claims are given back and the broker delivers them again. All of them leave before a lane goes
   * on, because whatever stands behind one of them in its lane must not run before it.
   */
  #drop(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.isClaimed && entry.state !== 'running') void this.#options.book.release(entry.work)
      this.#leaveLane(entry)
    }
    for (const entry of entries) this.#advance(entry.lane)
  }

  async #untilNoneRuns(concerns: (entry: Entry) => boolean): Promise<void> {
    const runs = (): boolean => [...this.#entries.values()].some(entry => entry.state === 'running' && concerns(entry))
    while (runs()) await new Promise<void>(resolve => this.#whenIdle.push(resolve))
  }

  async #untilGivenBack(): Promise<void> {
    await Promise.all(this.#admissions)
    await this.#options.book.released()
  }

  #checkIdle(): void {
    if (this.#whenIdle.length === 0) return
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiting) resolve()
  }
}

function wentAway({ topic, id }: Partition): MekongError {
  return new MekongError('HANDLER_ABORTED', `partition ${id} of ${topic} went to another consumer`, { retryable: true })
}

/** Says of the lane that events of it are on their way until `work` is over. */
async function moving<T>(lane: Lane, work: () => Promise<T> | undefined): Promise<T | undefined> {
  let end = (): void => undefined
  lane.moving = new Promise(resolve => (end = resolve))
  try {
    return await work()
  } finally {
    lane.moving = undefined
    end()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The entries at the front of a lane that are ours. */
function leadingClaimed(lane: Lane): readonly Entry[] {
  const entries = lane.entries()
  const end = entries.findIndex(entry => entry.state !== 'ready' && entry.state !== 'running')
  return end < 0 ? [...entries] : entries.slice(0, end)
}
