import { wait } from '../../clock.ts'
import type { Capabilities, Lag, Partition } from '../../driver/driver-contract.ts'
import type { HoldStore, PartitionMark } from '../../hold/hold-store.ts'
import type { Observer } from '../../signal.ts'
import { persist, type Persistence } from '../persist.ts'
import { Caution } from './caution.ts'
import { Solitude } from './solitude.ts'

export interface PartitionMarksOptions extends Persistence {
  readonly store: HoldStore
  readonly group: string
  /** Names this process to the store. */
  readonly owner: string
  readonly newToken: () => string
  /** How many unsettled messages of a partition are taken. */
  readonly window: number
  /** Whether the broker still has what an earlier process had in hand. */
  readonly isBrokerDurable: boolean
  readonly lag: () => Promise<ReadonlyMap<Partition, Lag> | undefined>
  /** Nothing of the partition is here. */
  readonly isIdle: (partition: Partition) => boolean
  readonly observe: Observer | undefined
}

/** How often it is looked whether a partition has caught up, which ends caution before its first window is full. */
const lookMs = 1000
/** A mark that could not be removed costs the next owner some caution, and nothing else. */
const longestCloseMs = 1000

/**
 * Whether the next owner of a partition can be told what ended the one before: it has one at a time, and a store survives it.
 * A broker that counts deliveries cannot tell, since the end of a process gives back all that it had in hand.
 */
export function needsMarks({ affinity, soleConsumer, backstop }: Capabilities, hold: HoldStore | undefined): boolean {
  return (soleConsumer === true || (affinity === 'partition' && !backstop)) && hold?.durable === true
}

/**
 * A mark in the hold store for each partition that is ours, removed when it is given up in good order: who finds one
 * succeeds a process that ended without a word, and is cautious. Costs a call for each assignment and each revocation.
 */
export class PartitionMarks {
  readonly #options: PartitionMarksOptions
  readonly #marks = new Map<Partition, PartitionMark>()
  readonly #cautions = new Map<Partition, Caution>()
  readonly #solitude = new Solitude()
  #isLooking = false

  constructor(options: PartitionMarksOptions) {
    this.#options = options
  }

  /** How to treat the partition; undefined: as usual. */
  cautionOf(partition: Partition | undefined): Caution | undefined {
    return this.#cautions.size === 0 || partition === undefined ? undefined : this.#cautions.get(partition)
  }

  /** Before anything of the partition arrives. Resolves once the store has answered, or nobody waits any longer. */
  async open(partition: Partition): Promise<void> {
    const { store, group, owner, newToken, window, observe, isBrokerDurable } = this.#options
    const { topic, id } = partition
    const mark = { group, topic, partition: id, owner, token: newToken() }
    this.#marks.set(partition, mark)
    const starts = await persist(async () => {
      return this.#marks.has(partition) ? store.openPartition(mark) : undefined
    }, this.#options)
    if (starts === undefined || !this.#marks.has(partition)) return
    const onOver = (): void => this.#trust(partition)
    const caution = new Caution({ ...this.#options, mark, starts, window, solitude: this.#solitude, onOver })
    this.#cautions.set(partition, caution)
    observe?.({ is: 'unclean-end', topic, partition: id, unended: starts.length })
    if (isBrokerDurable) this.#lookLater()
  }

  /** The partition is ours no longer, and this process lives. Asks the store once. */
  async close(partition: Partition): Promise<void> {
    const { store, onFailure } = this.#options
    const mark = this.#marks.get(partition)
    if (mark === undefined) return
    const caution = this.#cautions.get(partition)
    this.#marks.delete(partition)
    this.#cautions.delete(partition)
    caution?.close()
    try {
      // What killed its owner may still be ahead: the next one is to be as cautious.
      if (caution === undefined) await store.closePartition(mark)
      else await store.recordStarts(mark, caution.starts)
    } catch (error) {
      onFailure(error)
    }
  }

  async closeAll(): Promise<void> {
    const ended = new AbortController()
    const closed = Promise.all([...this.#marks.keys()].map(partition => this.close(partition)))
    await Promise.race([closed, wait(this.#options.clock, longestCloseMs, ended.signal)])
    ended.abort()
  }

  /** Everything that an owner before may have had in hand is settled. */
  #trust(partition: Partition): void {
    const { store, observe } = this.#options
    const mark = this.#marks.get(partition)
    if (mark === undefined || !this.#cautions.delete(partition)) return
    observe?.({ is: 'caution-ended', topic: partition.topic, partition: partition.id })
    void persist(async () => {
      if (this.#marks.get(partition) === mark) await store.recordStarts(mark, undefined)
    }, this.#options)
  }

  #lookLater(): void {
    const { clock, signal } = this.#options
    if (this.#isLooking || this.#cautions.size === 0 || signal.aborted) return
    this.#isLooking = true
    const look = async (): Promise<void> => {
      await this.#look()
      this.#isLooking = false
      this.#lookLater()
    }
    clock.after(lookMs, () => void look(), 'background')
  }

  /** Without lag everything that was stored is settled, what an owner before had in hand included. */
  async #look(): Promise<void> {
    const { lag, isIdle } = this.#options
    if (![...this.#cautions.keys()].some(isIdle)) return
    const lags = await lag().catch(() => undefined)
    for (const partition of this.#cautions.keys()) {
      if (isIdle(partition) && lags?.get(partition)?.messages === 0) this.#trust(partition)
    }
  }
}
