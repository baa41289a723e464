import type { Partition } from '../driver/driver-contract.ts'
import type { GroupCursor } from './group-cursor.ts'
import type { Delivery } from './memory-message.ts'
import type { Member } from './member.ts'

/** How many messages go to the bus in one call. */
const LARGEST_BATCH = 256

/** One member's hold on one partition, for one epoch. */
export class Hand {
  readonly partition: Partition
  readonly member: Member
  readonly cursor: GroupCursor
  /** Settlements count. */
  alive = true
  /** The bus has said that it is ready, and nobody is taking the partition away. */
  delivers = false
  paused = false
  /** Deliveries that are not settled. */
  inHand = 0
  #requested = false

  constructor(member: Member, cursor: GroupCursor, epoch: number) {
    this.partition = { topic: cursor.log.topic, id: cursor.log.id, epoch }
    this.member = member
    this.cursor = cursor
  }

  canTake(): boolean {
    return this.alive && this.delivers && !this.paused && this.member.takes && this.inHand < this.member.window
  }

  /** Asks for a turn to deliver; asking again before the turn changes nothing. */
  request(): void {
    if (this.#requested || !this.canTake()) return
    this.#requested = true
    this.member.deferDelivery(this)
  }

  deliver(upTo: (largest: number) => number): readonly Delivery[] {
    this.#requested = false
    if (!this.canTake()) return []
    const limit = upTo(Math.min(LARGEST_BATCH, this.member.window - this.inHand))
    const batch = this.cursor.take(this, limit)
    if (batch.length > 0) this.member.sink.messages(batch)
    if (batch.length === limit) this.cursor.wake()
    return batch
  }
}
