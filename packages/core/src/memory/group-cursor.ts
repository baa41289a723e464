import type { StartPosition } from '../driver/driver-contract.ts'
import type { BrokerState } from './broker-state.ts'
import type { Hand } from './hand.ts'
import { Delivery, type StoredMessage } from './memory-message.ts'
import type { PartitionLog, Reader } from './partition-log.ts'

/** How far a queue that locks keys looks for a key that is free. */
const LOOKAHEAD = 1000

/**
 * A group's place in one partition: what it has not taken begins at `next`; what it took and did not settle is in hand,
 * waits for a delay, or is ready to be delivered again. Everything else is settled. What was taken is held from here, so
 * that one message which waits for an hour keeps no log from moving on; its number and bytes have the bound of the log.
 */
export class GroupCursor implements Reader {
  readonly group: string
  readonly log: PartitionLog
  /** One while a member owns the partition; one for each member where nobody owns it. */
  readonly hands: Hand[] = []
  next: number
  #epoch = 0
  #started = false
  readonly #broker: BrokerState
  readonly #unsettled = new Map<number, Delivery>()
  #unsettledBytes = 0
  #again: Delivery[] = []
  #againInOrder = true
  /** Deliveries of each key that are in hand or wait for a delay. */
  readonly #locks = new Map<string, number>()
  #turn = 0

  constructor(broker: BrokerState, group: string, log: PartitionLog) {
    this.#broker = broker
    this.group = group
    this.log = log
    this.next = log.end
    log.readers.add(this)
  }

  get lag(): number {
    return this.log.end - this.next + this.#unsettled.size
  }

  nextEpoch(): number {
    return ++this.#epoch
  }

  /** The first member decides; `latest` is where the group became known, so that nothing since then is missed. */
  start(from: StartPosition): void {
    if (this.#started) return
    this.#started = true
    if (from === 'earliest') this.next = this.log.start
    else if (from !== 'latest') this.next = this.log.offsetAt(from.time)
  }

  /** Gives a turn to a member that can take, if there is something for it. */
  wake(): void {
    if (this.#again.length === 0 && !this.#hasNew()) return
    for (let tried = 0; tried < this.hands.length; tried++) {
      const hand = this.hands[this.#turn++ % this.hands.length]!
      if (hand.canTake()) return hand.request()
    }
  }

  /** At most `limit` messages for this hand; what was given back comes first. */
  take(hand: Hand, limit: number): Delivery[] {
    const { affinity } = this.#broker.options.hostility
    if (affinity === 'partition') return this.#takeInOrder(hand, limit)
    return affinity === 'in-flight' ? this.#takeUnlocked(hand, limit) : this.#takeAny(hand, limit)
  }

  acknowledge(delivery: Delivery, durable: boolean): void {
    const { message } = delivery
    if (durable) message.settling?.acknowledged(this.group)
    if (this.#unsettled.get(message.offset) !== delivery) return
    this.#unlock(delivery)
    this.#unsettled.delete(message.offset)
    this.#unsettledBytes -= message.bytes
    if (this.#broker.chance(this.#broker.options.hostility.duplicate)) this.#repeat(delivery)
  }

  redeliver(delivery: Delivery, afterMs: number): void {
    if (afterMs <= 0) return this.#giveBack(delivery)
    this.#broker.due.after(afterMs, () => {
      this.#giveBack(delivery)
      this.wake()
    })
  }

  /** Ends every delivery of this hand; they are ready to be delivered again. */
  takeBack(hand: Hand): readonly Delivery[] {
    const open = [...this.#unsettled.values()].filter(delivery => delivery.open && delivery.hand === hand)
    for (const delivery of open) this.#close(delivery)
    return open
  }

  /** The handle of this delivery dies; where order is kept, those of the later ones of its key in the same hand with it. */
  lose(delivery: Delivery): void {
    if (!delivery.open || !delivery.hand.alive) return
    const isOrdered = this.#broker.options.hostility.affinity !== 'none' && delivery.key !== undefined
    const dead = isOrdered ? this.#sameKeyFrom(delivery) : [delivery]
    for (const one of dead) this.#close(one)
    delivery.hand.member.sink.lost(dead)
    this.wake()
  }

  /** Forgets what is settled and what is not from here on; handles in hand die. */
  seek(offset: number): void {
    const dead = [...this.#unsettled.values()].filter(delivery => delivery.open)
    for (const delivery of dead) this.#close(delivery)
    this.#unsettled.clear()
    this.#unsettledBytes = 0
    this.#again = []
    this.#locks.clear()
    this.next = Math.min(Math.max(offset, this.log.start), this.log.end)
    for (const hand of this.hands) {
      const lost = dead.filter(delivery => delivery.hand === hand && delivery.message.offset >= this.next)
      if (lost.length > 0) hand.member.sink.lost(lost)
    }
    this.wake()
  }

  #takeInOrder(hand: Hand, limit: number): Delivery[] {
    const batch: Delivery[] = []
    if (this.#again.length > 0) {
      this.#sortAgain()
      for (const earlier of this.#again.splice(0, limit)) batch.push(this.#deliverAgain(hand, earlier))
    }
    while (batch.length < limit && this.#hasNew()) batch.push(this.#deliver(hand, this.#takeNew(), 1))
    return batch
  }

  #takeUnlocked(hand: Hand, limit: number): Delivery[] {
    this.#lookAhead(hand)
    this.#sortAgain()
    const batch: Delivery[] = []
    const rest: Delivery[] = []
    const mine = new Set<string>()
    for (const earlier of this.#again) {
      const { key } = earlier
      const isFree = key === undefined || mine.has(key) || !this.#locks.has(key)
      if (batch.length === limit || !isFree) rest.push(earlier)
      else {
        if (key !== undefined) mine.add(key)
        batch.push(this.#deliverAgain(hand, earlier))
      }
    }
    this.#again = rest
    return batch
  }

  #takeAny(hand: Hand, limit: number): Delivery[] {
    this.#lookAhead(hand)
    this.#broker.shuffle(this.#again)
    return this.#again.splice(0, limit).map(earlier => this.#deliverAgain(hand, earlier))
  }

  /** Counts new messages among those that are ready, as delivered zero times. */
  #lookAhead(hand: Hand): void {
    while (this.#again.length < LOOKAHEAD && this.#hasNew()) {
      const seen = new Delivery(hand, this.#takeNew(), 0)
      seen.open = false
      this.#unsettled.set(seen.message.offset, seen)
      this.#again.push(seen)
      this.#againInOrder = false
    }
  }

  #hasNew(): boolean {
    const { maxMessages, maxBytes } = this.log.retention
    return this.next < this.log.end && this.#unsettled.size < maxMessages && this.#unsettledBytes < maxBytes
  }

  #takeNew(): StoredMessage {
    const message = this.log.at(this.next++)!
    this.#unsettledBytes += message.bytes
    return message
  }

  #deliverAgain(hand: Hand, earlier: Delivery): Delivery {
    return this.#deliver(hand, earlier.message, earlier.deliveries + 1)
  }

  #deliver(hand: Hand, message: StoredMessage, deliveries: number): Delivery {
    const delivery = new Delivery(hand, message, deliveries)
    this.#unsettled.set(message.offset, delivery)
    hand.inHand++
    this.#lock(delivery)
    return delivery
  }

  #close(delivery: Delivery): void {
    delivery.open = false
    delivery.hand.inHand--
    this.#giveBack(delivery)
  }

  #giveBack(delivery: Delivery): void {
    if (this.#unsettled.get(delivery.message.offset) !== delivery) return
    this.#unlock(delivery)
    this.#again.push(delivery)
    this.#againInOrder = false
  }

  #repeat(delivery: Delivery): void {
    this.#broker.later(() => {
      if (this.#unsettled.has(delivery.message.offset)) return
      this.#unsettled.set(delivery.message.offset, delivery)
      this.#unsettledBytes += delivery.message.bytes
      this.#again.push(delivery)
      this.#againInOrder = false
      this.wake()
    })
  }

  #sameKeyFrom(first: Delivery): readonly Delivery[] {
    return [...this.#unsettled.values()]
      .filter(one => one.open && one.hand === first.hand && one.key === first.key)
      .filter(one => one.message.offset >= first.message.offset)
  }

  #sortAgain(): void {
    if (this.#againInOrder) return
    this.#again.sort((one, other) => one.message.offset - other.message.offset)
    this.#againInOrder = true
  }

  #lock(delivery: Delivery): void {
    if (delivery.key === undefined || this.#broker.options.hostility.affinity !== 'in-flight') return
    this.#locks.set(delivery.key, (this.#locks.get(delivery.key) ?? 0) + 1)
  }

  #unlock(delivery: Delivery): void {
    if (delivery.key === undefined || this.#broker.options.hostility.affinity !== 'in-flight') return
    const held = this.#locks.get(delivery.key) ?? 0
    if (held > 1) this.#locks.set(delivery.key, held - 1)
    else this.#locks.delete(delivery.key)
  }
}
