import type { StoredMessage } from './memory-message.ts'

/** A group's place in the log. */
export interface Reader {
  readonly group: string
  /** The first offset that the group has not taken. */
  readonly next: number
  /** Something may be there to deliver. */
  wake(): void
}

export interface Retention {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly retentionMs: number
}

/**
 * The messages of one partition, in order, with a bound. What every known group has taken is dropped from the front when
 * the bound or the age asks for it; what one has not taken never is: then there is no room.
 */
export class PartitionLog {
  readonly topic: string
  readonly id: string
  readonly readers: Set<Reader> = new Set()
  retention: Retention
  /** Dropped messages leave holes at the front, which are cut off now and then. */
  #messages: (StoredMessage | undefined)[] = []
  #base = 0
  #head = 0
  #bytes = 0
  #reserved = 0
  #reservedBytes = 0

  constructor(topic: string, id: string, retention: Retention) {
    this.topic = topic
    this.id = id
    this.retention = retention
  }

  /** The oldest offset that is kept. */
  get start(): number {
    return this.#base + this.#head
  }

  /** The offset of the next message. */
  get end(): number {
    return this.#base + this.#messages.length
  }

  hasRoom(messages: number, bytes: number, now: number): boolean {
    this.#trim(messages, bytes, now)
    return this.#fits(messages, bytes)
  }

  append(message: StoredMessage, now: number): void {
    message.offset = this.end
    message.storedAt = now
    this.#messages.push(message)
    this.#bytes += message.bytes
  }

  /** Keeps room for a message that is not visible yet. */
  reserve(message: StoredMessage): void {
    this.#reserved++
    this.#reservedBytes += message.bytes
  }

  appendReserved(message: StoredMessage, now: number): void {
    this.#reserved--
    this.#reservedBytes -= message.bytes
    this.append(message, now)
  }

  at(offset: number): StoredMessage | undefined {
    return this.#messages[offset - this.#base]
  }

  /** The first message stored at this time or later; the end where there is none. */
  offsetAt(time: number): number {
    for (let offset = this.start; offset < this.end; offset++) {
      if (this.at(offset)!.storedAt >= time) return offset
    }
    return this.end
  }

  wakeReaders(): void {
    for (const reader of this.readers) reader.wake()
  }

  #fits(messages: number, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.retention
    return (
      this.#messages.length - this.#head + this.#reserved + messages <= maxMessages &&
      this.#bytes + this.#reservedBytes + bytes <= maxBytes
    )
  }

  #trim(messages: number, bytes: number, now: number): void {
    const oldest = this.#messages[this.#head]
    if (oldest === undefined || (this.#fits(messages, bytes) && !this.#isOld(oldest, now))) return
    const taken = this.#takenByAll()
    while (this.start < taken) {
      const first = this.#messages[this.#head]!
      if (this.#fits(messages, bytes) && !this.#isOld(first, now)) break
      this.#messages[this.#head++] = undefined
      this.#bytes -= first.bytes
    }
    if (this.#head > 1000 && this.#head * 2 > this.#messages.length) this.#cut()
  }

  #isOld(message: StoredMessage, now: number): boolean {
    return now - message.storedAt > this.retention.retentionMs
  }

  #takenByAll(): number {
    let lowest = this.end
    for (const reader of this.readers) lowest = Math.min(lowest, reader.next)
    return lowest
  }

  #cut(): void {
    this.#messages = this.#messages.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }
}
