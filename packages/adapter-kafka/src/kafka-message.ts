import { isUtf8 } from 'node:buffer'
import type { HeaderView, Incoming, Outgoing, Partition } from '@mekong/core/driver'
import { buffer } from './client/buffer.ts'
import type { IncomingRecord, OutgoingRecord } from './client/kafka-client.ts'

/**
 * CloudEvents Kafka protocol binding 1.0: attributes are headers `ce_<name>`. A header of the application that begins like
 * one gets another underscore, which no attribute name has.
 */
export function toRecord(outgoing: Outgoing, key: Uint8Array | null, timestamp: number): OutgoingRecord {
  const headers: Record<string, string> = Object.create(null)
  for (const [name, value] of Object.entries(outgoing.headers)) headers[toKafkaName(name)] = value
  return { key, value: outgoing.body, headers, timestamp }
}

export function keyBytes(key: string | undefined): Uint8Array | null {
  return key === undefined ? null : Buffer.from(key)
}

const RECORD_OVERHEAD_BYTES = 24
const HEADER_OVERHEAD_BYTES = 4

/** What a message takes in a batch, at most. */
export function bytesOf({ body, key, headers }: Outgoing): number {
  let bytes = RECORD_OVERHEAD_BYTES + body.byteLength + (key === undefined ? 0 : Buffer.byteLength(key))
  for (const [name, value] of Object.entries(headers)) {
    bytes += HEADER_OVERHEAD_BYTES + name.length + Buffer.byteLength(value)
  }
  return bytes
}

/** A place in the order of a partition: settled once, however often its message was handed over. */
export interface Slot {
  readonly offset: number
  isSettled: boolean
  /** What the bus has in hand of it. */
  open: KafkaIncoming | undefined
}

/** One handing over of a record. */
export class KafkaIncoming implements Incoming {
  readonly partition: Partition
  readonly body: Uint8Array
  readonly deliveries = undefined
  readonly record: IncomingRecord
  readonly slot: Slot
  /** Not settled yet: the first settlement counts. */
  isOpen = true
  #headers: RecordHeaders | undefined

  constructor(partition: Partition, record: IncomingRecord, slot: Slot) {
    this.partition = partition
    this.record = record
    this.slot = slot
    this.body = record.value ?? noBytes
  }

  get position(): string {
    return String(this.record.offset)
  }

  get key(): string | undefined {
    const { key } = this.record
    return key === null ? undefined : textOf(key)
  }

  get headers(): HeaderView {
    return (this.#headers ??= new RecordHeaders(this.record))
  }

  get messageId(): string {
    return `${this.partition.topic}/${this.partition.id}/${this.record.offset}`
  }
}

const noBytes = new Uint8Array(0)

/** Looked through once, when first asked. The last of a repeated name counts, as in Kafka's own clients. */
class RecordHeaders implements HeaderView {
  readonly #byName = new Map<string, string>()

  constructor(record: IncomingRecord) {
    record.eachHeader((name, value) => this.#byName.set(knownName(name), value === null ? '' : textOf(value)))
  }

  get(name: string): string | undefined {
    return this.#byName.get(name)
  }

  entries(): Iterable<readonly [name: string, value: string]> {
    return this.#byName
  }
}

function toKafkaName(name: string): string {
  if (name.startsWith('ce-')) return `ce_${name.slice(3)}`
  return name.startsWith('ce_') ? `ce__${name.slice(3)}` : name
}

/** Names are few and come again with every record: what each becomes, and the one string of it that is hashed already. */
const knownNames = new Map<string, string>()
const MAX_KNOWN_NAMES = 1000

function knownName(kafkaName: string): string {
  let name = knownNames.get(kafkaName)
  if (name === undefined) {
    name = fromKafkaName(kafkaName)
    if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(kafkaName, name)
  }
  return name
}

function fromKafkaName(kafkaName: string): string {
  const name = kafkaName.toLowerCase()
  if (name.startsWith('ce__')) return `ce_${name.slice(4)}`
  return name.startsWith('ce_') ? `ce-${name.slice(3)}` : name
}

/** What others wrote as bytes that are no text comes as base64: nothing is lost, and different bytes stay different. */
function textOf(bytes: Uint8Array): string {
  const given = buffer(bytes)
  const text = given.toString()
  // What stands for bytes that are no text may also be there as text.
  return text.includes('\uFFFD') && !isUtf8(given) ? given.toString('base64') : text
}
