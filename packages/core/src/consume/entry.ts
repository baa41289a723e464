import type { Partition } from '../driver/driver-contract.ts'
import type { HoldLease } from '../hold/hold-store.ts'
import type { Delivery, Verdict } from './delivery.ts'
import type { Lane } from './lane.ts'
import type { Work } from './work.ts'

/**
 * claiming: asks the idempotency store, or waits to ask again. ready: ours, waits for its turn. running: at the head of its
 * lane, at work. gone: completed, held, or given back.
 */
export type EntryState = 'claiming' | 'ready' | 'running' | 'gone'

const none: readonly Delivery[] = []

/**
 * One event in one lane, from its arrival to its end. It belongs to the event, not to the delivery: the same message
 * arriving again attaches to it and never queues twice.
 */
export class Entry {
  readonly work: Work
  readonly lane: Lane
  state: EntryState = 'claiming'
  /** The idempotency store has answered `mine`: to be given back if the entry leaves without an end. */
  isClaimed = false
  /** How often it was busy in a row. */
  timesBusy = 0
  /** Its attempts are over; what became of it is being told to the stores. */
  isEnding = false
  /** Its lane was spilled while it ran: its end is told to the hold store. */
  spill: HoldLease | undefined
  /** Its neighbours in its lane. */
  older: this | undefined
  younger: this | undefined
  /** Usually there is one. */
  #deliveries: readonly Delivery[]

  constructor(work: Work, lane: Lane, delivery: Delivery) {
    this.work = work
    this.lane = lane
    this.#deliveries = [delivery]
  }

  /** Nobody at the broker waits for its end any longer. */
  get isDetached(): boolean {
    return this.#deliveries.length === 0
  }

  /** On which it came last. */
  get partition(): Partition | undefined {
    return this.#deliveries.at(-1)?.partition
  }

  isOn(partition: Partition): boolean {
    return this.#deliveries.some(delivery => delivery.partition === partition)
  }

  attach(delivery: Delivery): void {
    this.#deliveries = [...this.#deliveries, delivery]
  }

  /** Gives those that it had. */
  detach(isDead: (delivery: Delivery) => boolean): readonly Delivery[] {
    const dead = this.#deliveries.filter(isDead)
    if (dead.length > 0) this.#deliveries = this.#deliveries.filter(delivery => !isDead(delivery))
    return dead
  }

  decide(verdict: Verdict): void {
    const deliveries = this.#deliveries
    this.#deliveries = none
    for (const delivery of deliveries) delivery.decide(verdict)
  }
}
