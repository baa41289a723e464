import type { HeaderView, Incoming, Outgoing, Partition } from '../driver/driver-contract.ts'
import type { Hand } from './hand.ts'
import type { Settling } from './settling.ts'

/** A message as its log keeps it: one object, whatever the number of groups. Bytes and headers are not copied. */
export class StoredMessage {
  readonly outgoing: Outgoing
  readonly bytes: number
  /** Set when it is appended to its log, for good. */
  offset = -1
  /** Milliseconds since the epoch, when it was appended. */
  storedAt = 0
  /** Who waits until every group has settled it. */
  settling: Settling | undefined = undefined
  #headers: HeaderView | undefined = undefined

  constructor(outgoing: Outgoing, bytes: number) {
    this.outgoing = outgoing
    this.bytes = bytes
  }

  get headers(): HeaderView {
    return (this.#headers ??= new RecordHeaders(this.outgoing.headers))
  }
}

/** One handing over of a message to one member of a group. */
export class Delivery implements Incoming {
  readonly partition: Partition
  readonly key: string | undefined
  readonly body: Uint8Array
  readonly deliveries: number
  readonly message: StoredMessage
  readonly hand: Hand
  /** In the hands of its consumer; a settlement of a closed one is void. */
  open = true

  constructor(hand: Hand, message: StoredMessage, deliveries: number) {
    this.partition = hand.partition
    this.key = message.outgoing.key
    this.body = message.outgoing.body
    this.deliveries = deliveries
    this.message = message
    this.hand = hand
  }

  get position(): string {
    return String(this.message.offset)
  }

  get headers(): HeaderView {
    return this.message.headers
  }

  get messageId(): string {
    return `${this.partition.topic}/${this.partition.id}/${this.message.offset}`
  }
}

/** What a message counts against the limits: its body in bytes, its key and headers in characters. */
export function sizeOf(message: Outgoing): number {
  let size = message.body.byteLength + (message.key?.length ?? 0)
  for (const name in message.headers) size += name.length + (message.headers[name]?.length ?? 0)
  return size
}

/** Names come from publishers: only own properties count, whatever they are called. */
class RecordHeaders implements HeaderView {
  readonly #record: Readonly<Record<string, string>>

  constructor(record: Readonly<Record<string, string>>) {
    this.#record = record
  }

  get(name: string): string | undefined {
    return Object.hasOwn(this.#record, name) ? this.#record[name] : undefined
  }

  entries(): Iterable<readonly [name: string, value: string]> {
    return Object.entries(this.#record)
  }
}
