import type { Incoming, Partition } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import { Admission, type AdmissionOptions } from './admission.ts'
import { type Attempts, busyPauseMs, named, type Outcome } from './attempts.ts'
import type { Caution } from './caution/caution.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Delivery } from './delivery.ts'
import { Entry } from './entry.ts'
import type { Holdup } from './holding.ts'
import { LaneBoard } from './lane-board.ts'
import { LaneParking } from './lane-parking.ts'
import { ParkedKeys } from './parked-keys.ts'
import { canRedeliver } from './redelivery.ts'
import type { Slots } from './slots.ts'
import type { Subscription } from './subscription.ts'
import { Work } from './work.ts'

export interface SubscriptionRunnerOptions extends AdmissionOptions {
  readonly attempts: Attempts
  readonly slots: Slots
  readonly deadLetters: DeadLetters
  /** How to treat what comes from a partition; undefined: as usual. */
  readonly cautionOf: (partition: Partition | undefined) => Caution | undefined
}

/**
 * Runs the events of one subscription: lanes by key, claims, attempts, and what follows each. The state machine, with what
 * a crash after each step leaves behind, is in docs/architecture.md.
 */
export class SubscriptionRunner {
  readonly subscription: Subscription
  readonly #options: SubscriptionRunnerOptions
  readonly #board: LaneBoard
  readonly #parkedKeys: ParkedKeys | undefined
  readonly #admission: Admission
  readonly #parking: LaneParking

  constructor(options: SubscriptionRunnerOptions) {
    const { subscription, capabilities, holding } = options
    const isCached = subscription.ordered && capabilities.affinity === 'partition'
    this.#options = options
    this.subscription = subscription
    this.#parkedKeys = holding === undefined || !isCached ? undefined : new ParkedKeys(() => holding.parkedKeys())
    this.#board = new LaneBoard({
      ...options,
      ordered: subscription.ordered,
      parkedKeys: this.#parkedKeys,
      run: entry => this.#turn(entry),
    })
    this.#admission = new Admission(options, this.#board)
    this.#parking = new LaneParking(options, this.#board, this.#admission)
  }

  /** Nothing of a partition arrives before this resolves. */
  async assigned(): Promise<void> {
    // A lane may be there: held by an owner in between, while a handler of this process ran on from the time before.
    for (const key of (await this.#parkedKeys?.learn()) ?? []) this.#board.park(key)
  }

  /** All that arrived together: one round trip claims it. */
  accept(arrivals: readonly Delivery[]): void {
    if (this.#board.isClosing) return
    const fresh: Entry[] = []
    for (const delivery of arrivals) {
      const known = this.#board.entry(delivery.envelope.event)
      if (known !== undefined) known.attach(delivery)
      else fresh.push(this.#enter(delivery))
    }
    if (fresh.length > 0) void this.#admission.admit(fresh)
  }

  /** What waits leaves its lane; what runs ends (drain), or hears that it must (lost). */
  async leave(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    const waiting: Entry[] = []
    for (const entry of this.#board.entries()) {
      if (!entry.isOn(partition)) continue
      const isRunning = entry.state === 'running'
      if (isRunning && how === 'drain') continue
      entry.detach(delivery => delivery.partition === partition)
      if (!entry.isDetached) continue
      if (isRunning) entry.work.abort(wentAway(partition))
      else waiting.push(entry)
    }
    this.#board.drop(waiting)
    this.#board.checkIdle()
    if (how === 'drain') await this.#board.untilNoneRuns(entry => entry.isOn(partition))
  }

  /** These handles died; the messages come again, and attach to what still runs. Gives the deliveries that end here. */
  lost(dead: ReadonlySet<Incoming>): readonly Delivery[] {
    const isDead = ({ incoming }: Delivery): boolean => dead.has(incoming)
    const lost = this.#board.entries().flatMap(entry => entry.detach(isDead))
    this.#board.drop(this.#board.entries().filter(entry => entry.isDetached && entry.state !== 'running'))
    this.#board.checkIdle()
    return lost
  }

  /** Another owner took the claim over: what runs hears of it, what waits asks again when its turn comes. */
  claimLost(work: Work): void {
    const entry = this.#board.entry(work.identity.event)
    if (entry?.work !== work) return
    entry.isClaimed = false
    if (entry.state === 'running')
      work.abort(new MekongError('FENCED', 'another owner took the event over', { retryable: true }))
    else if (entry.state === 'ready') void this.#admission.claimAgain(entry, 0)
  }

  /** Moves lanes that fill more than `most` messages of a partition into the hold store. */
  spill(partition: Partition, most: number): Promise<void> {
    return this.#parking.spill(partition, most)
  }

  /** No turn begins any more. */
  stop(): void {
    this.#board.close()
  }

  /** Drops what waits and resolves when nothing runs, or when `signal` aborts: then handlers are told to stop. */
  async drain(signal: AbortSignal): Promise<void> {
    this.stop()
    this.#board.drop(this.#board.entries().filter(entry => entry.state !== 'running'))
    const abort = (): void => {
      for (const { work } of this.#board.entries()) {
        work.abort(new MekongError('HANDLER_ABORTED', 'the event bus closes', { retryable: true }))
      }
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    await this.#board.untilNoneRuns(() => true)
    // Claims that are not given back would let the next owner wait for their leases to run out.
    await Promise.race([this.#admission.untilGivenBack(), aborted(signal)])
    signal.removeEventListener('abort', abort)
  }

  /** Where a dead event stopped its lane, or its letter finds no taker: the key, or the event itself where no order is kept. */
  stoppedLanes(): readonly string[] {
    const { unsent } = this.#options.deadLetters
    const stopped = this.#board
      .entries()
      .filter(entry => unsent.has(entry.work) || (entry.lane.stopped && entry.lane.head === entry))
    return stopped.map(entry => entry.lane.key ?? entry.work.identity.event)
  }

  #enter(delivery: Delivery): Entry {
    const { envelope, incoming } = delivery
    const work = new Work({
      envelope,
      message: incoming,
      identity: { scope: this.subscription.identityScope, event: envelope.event },
      token: this.#options.newToken(),
      attempts: this.#board.attemptsMade(envelope.event),
    })
    const entry = new Entry(work, this.#board.laneFor(envelope.attributes.key), delivery)
    this.#board.add(entry)
    const { deliveries } = incoming
    this.#options.observe?.({ is: 'received', deliveries, ...named(this.subscription, work) })
    return entry
  }

  /** Nearly always its handler runs and ends well: that costs as little as can be. */
  #turn(entry: Entry): void {
    const caution = this.#options.cautionOf(entry.partition)
    if (caution === undefined && !entry.lane.parked) {
      this.#setRunning(entry)
      this.#options.attempts.begin(entry.work, outcome => this.#attempted(entry, outcome))
    } else void this.#endTurn(entry, caution === undefined ? this.#run(entry) : this.#runAmong(entry, caution))
  }

  #setRunning(entry: Entry): void {
    entry.state = 'running'
    entry.isEnding = false
  }

  #attempted(entry: Entry, outcome: Outcome): void {
    if (outcome.is !== 'completed' || entry.spill !== undefined || entry.lane.moving !== undefined) {
      return void this.#endTurn(entry, this.#end(entry, outcome))
    }
    entry.isEnding = true
    this.#options.book.tellComplete(entry.work, isOurs => {
      this.#completed(entry, outcome.tookMs, isOurs)
      this.#board.turnOver(entry)
    })
  }

  async #endTurn(entry: Entry, work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      // Nothing of it may throw; if it does, the event waits and runs again rather than vanish.
      this.#options.observe?.({ is: 'notice', message: `${this.subscription.name}: ${String(error)}` })
      if (entry.state !== 'gone') void this.#admission.claimAgain(entry, busyPauseMs)
    }
    this.#board.turnOver(entry)
  }

  async #runAmong(entry: Entry, caution: Caution): Promise<void> {
    await caution.enter(entry.work)
    try {
      // It may have left, or lost its claim, while others ran.
      if (entry.state === 'ready') await this.#run(entry, caution)
    } finally {
      caution.leave()
    }
  }

  async #run(entry: Entry, caution?: Caution): Promise<void> {
    this.#setRunning(entry)
    if (entry.lane.parked && (await this.#parking.parkBehind(entry.lane))) return
    const { attempts } = this.#options
    await this.#end(
      entry,
      await (caution === undefined ? attempts.run(entry.work) : this.#runCarefully(entry.work, caution)),
    )
  }

  async #end(entry: Entry, outcome: Outcome): Promise<void> {
    entry.isEnding = true
    // A spill under way decides where its end is told.
    await entry.lane.moving
    if (entry.spill !== undefined) return this.#parking.endSpilled(entry, outcome)
    switch (outcome.is) {
      case 'completed':
        return this.#completed(entry, outcome.tookMs, await this.#options.book.complete(entry.work))
      case 'delay':
        return this.#delay(entry, outcome.afterMs, outcome.error)
      case 'dead':
        return this.#dead(entry, outcome.error)
      case 'busy':
        if (entry.isDetached) return this.#giveBack(entry)
        void this.#admission.claimAgain(entry, busyPauseMs)
        return
      case 'aborted':
        return this.#giveBack(entry)
    }
  }

  /** Its start is on record before it happens, so that it is known if the process ends by it. */
  async #runCarefully(work: Work, caution: Caution): Promise<Outcome> {
    const { attempts } = this.#options
    const starts = caution.startsOf(work)
    if (starts >= this.subscription.retry.maxAttempts) return attempts.neverEnded(work, starts)
    const begun = await caution.begin(work)
    if (begun !== true) return { is: begun === false ? 'busy' : 'aborted' }
    const outcome = await attempts.run(work)
    caution.end(work, outcome.is !== 'busy' && outcome.is !== 'aborted')
    return outcome
  }

  #completed(entry: Entry, tookMs: number, isOurs: boolean | undefined): void {
    const { observe } = this.#options
    if (isOurs === true) {
      observe?.({ is: 'completed', attempt: entry.work.attempts, tookMs, ...named(this.subscription, entry.work) })
      this.#board.end(entry, true)
    } else if (isOurs === false) {
      observe?.({ is: 'fenced', ...named(this.subscription, entry.work) })
      this.#admission.reclaim(entry)
    } else this.#board.remove(entry)
  }

  async #delay(entry: Entry, afterMs: number, error: unknown): Promise<void> {
    const { capabilities, holding, book, clock } = this.#options
    if (canRedeliver(capabilities, afterMs, entry.lane.key !== undefined)) {
      this.#board.rememberAttempts(entry.work)
      await book.release(entry.work)
      this.#handBack(entry, afterMs)
    } else if (holding !== undefined) {
      await this.#hold(entry, { state: 'delayed', dueAt: clock.now() + afterMs, error }, entry.lane.key)
    } else await this.#dead(entry, error)
  }

  /** With everything behind it in its lane: the broker keeps their order, and what is in hand must not overtake. */
  #handBack(head: Entry, afterMs: number): void {
    const lane = head.lane.entries()
    this.#board.drop(lane)
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
      observe?.({
        is: 'notice',
        message: `${name} stopped at a dead event${entry.lane.key === undefined ? '' : ` of key ${entry.lane.key}`}`,
      })
    } else if (holding !== undefined) {
      const key = onDead === 'park' ? entry.lane.key : undefined
      await this.#hold(entry, { state: 'dead', dueAt: undefined, error }, key)
    } else {
      const sent = await deadLetters.send(this.subscription, entry.work, error)
      if (sent) await book.complete(entry.work)
      if (sent) this.#board.end(entry, this.#options.capabilities.durable)
      else this.#board.remove(entry)
    }
  }

  async #hold(entry: Entry, why: Holdup, key: string | undefined): Promise<void> {
    const { holding } = this.#options
    const held = await holding?.hold(entry.work, why, key)
    if (held === 'lost') return this.#admission.reclaim(entry)
    if (held === undefined) return this.#board.remove(entry)
    entry.lane.parked = key !== undefined
    this.#board.end(entry, holding?.isDurable ?? false)
  }

  /** Its partition, its claim or the time of closing is gone. */
  async #giveBack(entry: Entry): Promise<void> {
    await this.#options.book.release(entry.work)
    if (this.#options.signal.aborted) this.#board.remove(entry)
    else this.#admission.reclaim(entry)
  }
}

function wentAway({ topic, id }: Partition): MekongError {
  return new MekongError('HANDLER_ABORTED', `partition ${id} of ${topic} went to another consumer`, { retryable: true })
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
