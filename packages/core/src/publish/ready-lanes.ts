import type { KeyLane } from './key-lane.ts'
import { companyOf, type PendingEvent } from './pending-event.ts'

export interface BatchLimits {
  readonly events: number
  readonly bytes: number
  /** Whether a batch may carry several events of one key. */
  readonly runs: boolean
  /** Whether a batch may carry events of several keys. */
  readonly keys: boolean
}

/** What may still be sent. */
export interface Room {
  readonly events: number
  readonly bytes: number
  /** Nothing is in flight: one event goes whatever its size. */
  readonly isIdle: boolean
}

/** The lanes whose first event may be sent, first come first served, sorted by the company that event may have. */
export class ReadyLanes {
  readonly #limits: BatchLimits
  readonly #partitionOf: (pending: PendingEvent) => string
  readonly #any = new LaneQueue()
  readonly #alone = new LaneQueue()
  readonly #byPartition = new Map<string, LaneQueue>()

  constructor(limits: BatchLimits, partitionOf: (pending: PendingEvent) => string) {
    this.#limits = limits
    this.#partitionOf = partitionOf
  }

  add(lane: KeyLane): void {
    const { first } = lane
    if (first === undefined) return
    lane.state = 'ready'
    switch (companyOf(first)) {
      case 'any':
        return this.#any.push(lane)
      case 'none':
        return this.#alone.push(lane)
      case 'partition':
        return this.#partitionQueue(this.#partitionOf(first)).push(lane)
    }
  }

  /**
   * The next batch, its events of one key side by side; their lanes are busy now. Repetitions come first: they are older.
   * Empty when nothing is ready or the next event finds no room.
   */
  take(room: Room): PendingEvent[] {
    if (this.#alone.first !== undefined) return this.#fill(this.#alone, { ...room, events: Math.min(room.events, 1) })
    for (const [partition, queue] of this.#byPartition) {
      const batch = this.#fill(queue, room)
      if (queue.first === undefined) this.#byPartition.delete(partition)
      return batch
    }
    return this.#fill(this.#any, room)
  }

  /** Removes lanes that have nothing left to send, and hands each to `retire`. */
  sweep(retire: (lane: KeyLane) => void): void {
    for (const queue of [this.#any, this.#alone, ...this.#byPartition.values()]) queue.sweep(retire)
    for (const [partition, queue] of this.#byPartition)
      if (queue.first === undefined) this.#byPartition.delete(partition)
  }

  #partitionQueue(partition: string): LaneQueue {
    let queue = this.#byPartition.get(partition)
    if (queue === undefined) this.#byPartition.set(partition, (queue = new LaneQueue()))
    return queue
  }

  #fill(queue: LaneQueue, room: Room): PendingEvent[] {
    const maxEvents = Math.min(this.#limits.events, room.events)
    const batch: PendingEvent[] = []
    let bytes = 0
    const maxBytes = Math.min(this.#limits.bytes, room.bytes)
    const fits = (pending: PendingEvent): boolean => {
      if (batch.length === 0) return maxEvents > 0 && (room.isIdle || pending.bytes <= room.bytes)
      return batch.length < maxEvents && bytes + pending.bytes <= maxBytes
    }

    for (let lane = queue.first; lane?.first !== undefined && fits(lane.first); lane = queue.first) {
      do {
        const pending = lane.take()!
        batch.push(pending)
        bytes += pending.bytes
      } while (this.#limits.runs && lane.first !== undefined && fits(lane.first))
      lane.state = 'busy'
      queue.shift()
      if (!this.#limits.keys) break
    }
    return batch
  }
}

/** First in, first out; what was taken is cut off in large pieces. */
class LaneQueue {
  #lanes: KeyLane[] = []
  #taken = 0

  get first(): KeyLane | undefined {
    return this.#lanes[this.#taken]
  }

  push(lane: KeyLane): void {
    this.#lanes.push(lane)
  }

  shift(): void {
    this.#taken++
    if (this.#taken < 1024 && this.#taken < this.#lanes.length) return
    this.#lanes = this.#lanes.slice(this.#taken)
    this.#taken = 0
  }

  sweep(retire: (lane: KeyLane) => void): void {
    const kept: KeyLane[] = []
    for (const lane of this.#lanes.slice(this.#taken)) {
      if (lane.first === undefined) retire(lane)
      else kept.push(lane)
    }
    this.#lanes = kept
    this.#taken = 0
  }
}
