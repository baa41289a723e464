import type { Partition } from '@mekong/core/driver'
import type { FetchedPart, IncomingRecord, Place } from '../client/kafka-client.ts'
import { KafkaIncoming, type Slot } from '../kafka-message.ts'

export interface AssignedPartitionOptions {
  readonly place: Place
  readonly epoch: number
  /** How much is kept here that was not handed over yet; when it is that much, no more is fetched. */
  readonly maxBufferedMessages: number
  readonly maxBufferedBytes: number
  /** How far handing over may be ahead of the first message that is not settled. */
  readonly maxDistance: number
}

/** Where a partition stands in its group: what is fetched, handed over, settled, committed. One object for each epoch. */
export class AssignedPartition implements Place {
  readonly topic: string
  readonly partition: number
  /** As the bus knows it. */
  readonly handle: Partition
  /** What the group began with here: kept beside each offset, see start-positions. */
  metadata = ''
  /** Where the next fetch begins. */
  nextFetch = 0
  /** -1: nothing is known to be committed. */
  committed = -1
  /** A node that is nearer than the leader; -1: none. */
  preferredReplica = -1
  /** Not before, by the monotonic clock. */
  fetchAfter = 0
  /** What is fetched of it may be what made a fetch fail: it is fetched alone. */
  isSuspect = false
  /** Nothing is fetched any more until somebody does something. */
  hasFailed = false
  isPaused = false
  /** Being given up: what runs ends, nothing more is handed over. */
  isLeaving = false
  /** Somebody else may have it. */
  isLost = false
  /** Every settlement of it is in. */
  isDrained = false
  /** What the bus answers to the assignment; undefined: it has not heard of it. */
  told: Promise<void> | undefined = undefined
  /** When the buffer became full, by the monotonic clock. */
  fullSince = 0
  #isReady = false
  /** Somebody wants another place than where the group stands, perhaps before it has begun. */
  #isMoved = false
  readonly #options: AssignedPartitionOptions
  #buffer: readonly IncomingRecord[] = []
  #bufferAt = 0
  #later: (readonly IncomingRecord[])[] = []
  #bufferedMessages = 0
  #bufferedBytes = 0
  /** Handed over and not known to be settled up to there, in order; those before `#slotAt` are settled. */
  #slots: Slot[] = []
  #slotAt = 0
  /** To be handed over again, before anything new. */
  #again: KafkaIncoming[] = []

  constructor(options: AssignedPartitionOptions) {
    const { place, epoch } = options
    this.#options = options
    this.topic = place.topic
    this.partition = place.partition
    this.handle = { topic: place.topic, id: String(place.partition), epoch }
  }

  /** From here on messages may be fetched and handed over. */
  begin(offset: number, metadata: string): void {
    if (!this.#isMoved) this.nextFetch = offset
    this.committed = offset
    this.metadata = metadata
    this.#isReady = true
  }

  /** The first message that is not settled; behind everything when all is. */
  get position(): number {
    return this.#slots[this.#slotAt]?.offset ?? this.#buffer[this.#bufferAt]?.offset ?? this.nextFetch
  }

  get isLive(): boolean {
    return this.#isReady && !this.isLeaving && !this.isLost
  }

  get isFull(): boolean {
    const { maxBufferedMessages, maxBufferedBytes } = this.#options
    return this.#bufferedMessages >= maxBufferedMessages || this.#bufferedBytes >= maxBufferedBytes
  }

  get canFetch(): boolean {
    return this.isLive && !this.hasFailed && !this.isFull
  }

  get canHandOver(): boolean {
    if (!this.isLive || this.isPaused) return false
    if (this.#again.length > 0) return true
    return this.#bufferedMessages > 0 && this.#slots.length - this.#slotAt < this.#options.maxDistance
  }

  /** Takes in what was fetched, unless it was asked for before the position was changed. */
  arrived({ records, next }: FetchedPart, asked: number): void {
    if (asked !== this.nextFetch) return
    this.nextFetch = next
    if (records.length === 0) return
    this.#later.push(records)
    this.#bufferedMessages += records.length
    for (const { value } of records) this.#bufferedBytes += value?.byteLength ?? 0
    if (this.#bufferAt === this.#buffer.length) this.#shift()
    if (this.isFull) this.fullSince = performance.now()
  }

  /** At most `limit` messages, to be handed over now. */
  take(limit: number): readonly KafkaIncoming[] {
    const taken: KafkaIncoming[] = []
    while (taken.length < limit && this.canHandOver) {
      const earlier = this.#again.shift()
      const slot = earlier?.slot ?? this.#newSlot()
      const incoming = new KafkaIncoming(this.handle, earlier?.record ?? this.#nextRecord(), slot)
      slot.open = incoming
      taken.push(incoming)
    }
    return taken
  }

  settle({ slot }: KafkaIncoming): void {
    slot.isSettled = true
    slot.open = undefined
    while (this.#slots[this.#slotAt]?.isSettled === true) this.#slotAt++
    // Now and then, so that it costs nothing for each message.
    if (this.#slotAt > 1024 && this.#slotAt * 2 > this.#slots.length) {
      this.#slots.splice(0, this.#slotAt)
      this.#slotAt = 0
    }
  }

  /** It is handed over again, in the next turn of this partition. */
  giveBack(incoming: KafkaIncoming): void {
    incoming.slot.open = undefined
    this.#again.push(incoming)
  }

  /** Forgets what was fetched and handed over; gives what was open of it, which counts no more. */
  moveTo(offset: number): readonly KafkaIncoming[] {
    const open = this.#slots.flatMap(slot => slot.open ?? [])
    for (const incoming of open) incoming.isOpen = false
    this.#again = []
    this.#buffer = []
    this.#bufferAt = 0
    this.#later = []
    this.#bufferedMessages = 0
    this.#bufferedBytes = 0
    this.#slots = []
    this.#slotAt = 0
    this.#isMoved = true
    this.nextFetch = offset
    this.committed = -1
    this.hasFailed = false
    return open
  }

  #newSlot(): Slot {
    const slot: Slot = { offset: this.#buffer[this.#bufferAt]!.offset, isSettled: false, open: undefined }
    this.#slots.push(slot)
    return slot
  }

  #nextRecord(): IncomingRecord {
    const record = this.#buffer[this.#bufferAt++]!
    this.#bufferedMessages--
    this.#bufferedBytes -= record.value?.byteLength ?? 0
    if (this.#bufferAt === this.#buffer.length) this.#shift()
    return record
  }

  #shift(): void {
    this.#buffer = this.#later.shift() ?? []
    this.#bufferAt = 0
  }
}
