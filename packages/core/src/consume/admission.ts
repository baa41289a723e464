import { wait } from '../clock.ts'
import type { Capabilities } from '../driver/driver-contract.ts'
import type { ClaimAnswer } from '../idempotency/idempotency-store.ts'
import type { Observer } from '../signal.ts'
import { busyPauseMs, named } from './attempts.ts'
import type { ClaimBook } from './claim-book.ts'
import type { Entry } from './entry.ts'
import type { Holding } from './holding.ts'
import type { LaneBoard } from './lane-board.ts'
import type { Persistence } from './persist.ts'
import { canRedeliver } from './redelivery.ts'
import type { Subscription } from './subscription.ts'

export interface AdmissionOptions extends Persistence {
  readonly subscription: Subscription
  readonly capabilities: Capabilities
  readonly book: ClaimBook
  /** Whether claims survive this process: if not, held events must be looked for after a restart. */
  readonly claimsAreDurable: boolean
  readonly holding: Holding | undefined
  readonly newToken: () => string
  readonly observe: Observer | undefined
}

/** A lease says how long its owner may take, not how long it will: it is asked for again sooner, ever later. */
const firstBusyPauseMs = 25
/** A redelivery sooner than this is not worth giving up the place in this process. */
const worthRedeliveringMs = 5000

/** Asks for events that have arrived: whether they are ours to run, are over already, or somebody else's at the moment. */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #board: LaneBoard
  readonly #admissions = new Set<Promise<void>>()

  constructor(options: AdmissionOptions, board: LaneBoard) {
    this.#options = options
    this.#board = board
  }

  /** All in one round trip. Resolves when each is ready, over, or waits to be asked again. */
  admit(entries: readonly Entry[]): Promise<void> {
    const admission = this.#claim(entries).finally(() => this.#admissions.delete(admission))
    this.#admissions.add(admission)
    return admission
  }

  /** Another owner took the claim over: whoever still waits for this event learns from the store what became of it. */
  reclaim(entry: Entry): void {
    entry.isClaimed = false
    if (entry.isDetached) this.#board.remove(entry)
    else void this.claimAgain(entry, 0)
  }

  /** Resolves when no claim that was asked for is unanswered or on its way back. */
  async untilGivenBack(): Promise<void> {
    await Promise.all(this.#admissions)
    await this.#options.book.released()
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
    for (const entry of entries) this.#board.advance(entry.lane)
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
        this.#options.observe?.({ is: 'duplicate', by: 'store', ...named(this.#options.subscription, entry.work) })
        this.#board.end(entry, true)
        return false
      case 'held':
        // Its key is parked now, perhaps by the consumer that had the partition before.
        entry.lane.parked = entry.lane.key !== undefined && this.#options.holding !== undefined
        this.#board.end(entry, this.#options.holding?.isDurable ?? false)
        return false
      case 'busy':
        this.#waitFor(entry, answer.forMs)
        return false
    }
  }

  #waitFor(entry: Entry, forMs: number): void {
    const { observe, capabilities } = this.#options
    observe?.({ is: 'busy', forMs, ...named(this.#options.subscription, entry.work) })
    if (forMs >= worthRedeliveringMs && entry.lane.key === undefined && canRedeliver(capabilities, forMs, false)) {
      this.#board.remove(entry)
      entry.decide({ is: 'again', afterMs: forMs, tried: false })
    } else void this.claimAgain(entry, Math.min(forMs, busyPauseMs, firstBusyPauseMs * 2 ** entry.timesBusy++))
  }

  /** It keeps its place, and is asked for again after a pause. */
  async claimAgain(entry: Entry, afterMs: number): Promise<void> {
    const { clock, signal, newToken } = this.#options
    entry.state = 'claiming'
    entry.work.renew()
    if (!this.#board.isClosing) await wait(clock, afterMs, signal)
    if (entry.state !== 'claiming') return
    if (this.#board.isClosing) return this.#board.drop([entry])
    // Its own token finds its own claim.
    if (!entry.isClaimed) entry.work.token = newToken()
    await this.admit([entry])
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
        this.#board.end(entry, this.#options.holding?.isDurable ?? false)
      } else {
        entry.lane.parked ||= found[index] === 'parked'
        entry.state = 'ready'
      }
    }
  }
}
