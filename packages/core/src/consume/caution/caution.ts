import type { Incoming } from '../../driver/driver-contract.ts'
import type { HoldStore, PartitionMark, UnendedStart } from '../../hold/hold-store.ts'
import { identityText } from '../../idempotency/idempotency-store.ts'
import type { Persistence } from '../persist.ts'
import { RoundTrips } from '../round-trips.ts'
import type { Work } from '../work.ts'
import type { Solitude } from './solitude.ts'

export interface CautionOptions extends Persistence {
  readonly store: HoldStore
  readonly mark: PartitionMark
  /** What owners before had started and not ended. */
  readonly starts: readonly UnendedStart[]
  /** How many messages an owner had in hand at most. */
  readonly window: number
  /** Shared by all partitions of this process that it is cautious about. */
  readonly solitude: Solitude
  /** The first window is settled. */
  readonly onOver: () => void
}

/**
 * One partition whose last owner ended without a word, perhaps by one of the events that it had in hand. Until those are
 * settled each start is on record before it happens. Events that were started when an owner ended run alone, so that the
 * next end tells which of them it was.
 */
export class Caution {
  readonly #options: CautionOptions
  readonly #starts: Map<string, UnendedStart>
  readonly #records: RoundTrips<UnendedStart, boolean>
  /** Of the first window, and not settled. */
  readonly #open = new Set<Incoming>()
  #arrived = 0
  #isClosed = false

  constructor(options: CautionOptions) {
    this.#options = options
    this.#starts = new Map(options.starts.map(start => [identityText(start.identity), start]))
    this.#records = new RoundTrips({ ...options, call: starts => this.#record(starts) })
  }

  /** What is known to have started and not ended. */
  get starts(): readonly UnendedStart[] {
    return [...this.#starts.values()]
  }

  arrived(message: Incoming): void {
    if (this.#arrived >= this.#options.window) return
    this.#arrived++
    this.#open.add(message)
  }

  settled(message: Incoming): void {
    if (this.#open.delete(message) && this.#open.size === 0 && this.#arrived >= this.#options.window) {
      this.#options.onOver()
    }
  }

  /** Its handle died: it comes again. */
  lost(message: Incoming): void {
    if (this.#open.delete(message)) this.#arrived--
  }

  /** The partition went to another owner: what is on record there is his. */
  close(): void {
    this.#isClosed = true
  }

  /** How often the event was started without an end. */
  startsOf(work: Work): number {
    return this.#starts.get(identityText(work.identity))?.starts ?? 0
  }

  /** Resolves when the event may run beside what runs; to be followed by `leave`. */
  enter(work: Work): Promise<void> {
    return this.#options.solitude.enter(this.startsOf(work) > 0 ? 'alone' : 'together')
  }

  leave(): void {
    this.#options.solitude.leave()
  }

  /**
   * Resolves with true when the start is on record. False: the mark went to another owner, as the partition probably did.
   * Undefined: closing gave up on the store.
   */
  async begin(work: Work): Promise<boolean | undefined> {
    const recorded = await this.#records.ask(startOf(work, this.startsOf(work) + 1))
    if (recorded === false) this.#setStarts(work, this.startsOf(work) - 1)
    return recorded
  }

  /** The run has ended; unless it `counts`, it was none. What is on record follows with the next start. */
  end(work: Work, counts: boolean): void {
    this.#setStarts(work, counts ? 0 : this.startsOf(work) - 1)
  }

  #setStarts(work: Work, starts: number): void {
    const name = identityText(work.identity)
    if (starts > 0) this.#starts.set(name, startOf(work, starts))
    else this.#starts.delete(name)
  }

  async #record(starts: readonly UnendedStart[]): Promise<readonly boolean[]> {
    const { store, mark } = this.#options
    for (const start of starts) this.#starts.set(identityText(start.identity), start)
    const isRecorded = await store.recordStarts(mark, this.starts)
    // If the partition is ours all the same, the next start finds it so.
    if (!isRecorded && !this.#isClosed) await store.openPartition(mark)
    return starts.map(() => isRecorded)
  }
}

function startOf({ identity }: Work, starts: number): UnendedStart {
  return { identity: { scope: identity.scope, event: identity.event }, starts }
}
