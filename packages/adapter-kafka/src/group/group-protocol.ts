import type { Place } from '../client/kafka-client.ts'

/**
 * What members of a group tell each other through the broker: Kafka's consumer protocol, version 2 of the subscription and
 * version 0 of the assignment, so that Kafka's own tools can show the group.
 */
export interface MemberSubscription {
  readonly topics: readonly string[]
  /** What the member holds and has not given up. */
  readonly owned: readonly Place[]
  /** In which generation it got that: of two that claim one partition, the later is right. */
  readonly generation: number
}

export function encodeSubscription({ topics, owned, generation }: MemberSubscription): Uint8Array {
  const writer = new Writer().int16(2).int32(topics.length)
  for (const topic of topics) writer.text(topic)
  return writer.noBytes().places(owned).int32(generation).bytes()
}

export function decodeSubscription(bytes: Uint8Array): MemberSubscription {
  const reader = new Reader(bytes)
  const version = reader.int16()
  const topics = reader.list(() => reader.text())
  reader.skipBytes()
  const owned = version >= 1 ? reader.places() : []
  return { topics, owned, generation: version >= 2 ? reader.int32() : -1 }
}

export function encodeAssignment(places: readonly Place[]): Uint8Array {
  return new Writer().int16(0).places(places).noBytes().bytes()
}

/** A member that got nothing may be told so with no bytes at all. */
export function decodeAssignment(bytes: Uint8Array): readonly Place[] {
  if (bytes.byteLength === 0) return []
  const reader = new Reader(bytes)
  reader.int16()
  return reader.places()
}

class Writer {
  readonly #parts: Buffer[] = []

  int16(value: number): this {
    const part = Buffer.alloc(2)
    part.writeInt16BE(value)
    this.#parts.push(part)
    return this
  }

  int32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeInt32BE(value)
    this.#parts.push(part)
    return this
  }

  text(value: string): this {
    const part = Buffer.from(value)
    this.int16(part.byteLength)
    this.#parts.push(part)
    return this
  }

  noBytes(): this {
    return this.int32(-1)
  }

  places(places: readonly Place[]): this {
    const topics = new Map<string, number[]>()
    for (const { topic, partition } of places) topics.set(topic, [...(topics.get(topic) ?? []), partition])
    this.int32(topics.size)
    for (const [topic, partitions] of topics) {
      this.text(topic).int32(partitions.length)
      for (const partition of partitions) this.int32(partition)
    }
    return this
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int16(): number {
    this.#at += 2
    return this.#bytes.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }

  text(): string {
    const length = this.int16()
    if (length < 0) throw new RangeError('a text without a length')
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  skipBytes(): void {
    const length = this.int32()
    this.#at += Math.max(0, length)
  }

  /** What another program wrote may claim any length: it ends where the bytes end, with a RangeError. */
  list<T>(read: () => T): readonly T[] {
    const items: T[] = []
    for (let left = this.int32(); left > 0; left--) items.push(read())
    return items
  }

  places(): readonly Place[] {
    return this.list(() => {
      const topic = this.text()
      return this.list(() => ({ topic, partition: this.int32() }))
    }).flat()
  }
}
