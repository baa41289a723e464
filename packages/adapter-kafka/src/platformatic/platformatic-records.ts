import type { MessageRecord, RecordsBatch } from '@platformatic/kafka'
import { buffer } from '../client/buffer.ts'
import type { IncomingRecord, OutgoingRecord, Place } from '../client/kafka-client.ts'

/** A record as the codec takes it. */
export function toMessage({ topic, partition }: Place, record: OutgoingRecord): MessageRecord {
  const message: MessageRecord = {
    topic,
    partition,
    value: buffer(record.value),
    headers: headerMap(record.headers),
    timestamp: BigInt(record.timestamp),
  }
  if (record.key !== null) message.key = buffer(record.key)
  return message
}

/** The names of headers are few and come again with every record. */
const headerNames = new Map<string, Buffer>()
const MAX_HEADER_NAMES = 1000

function headerMap(headers: OutgoingRecord['headers']): Map<Buffer, Buffer> {
  const map = new Map<Buffer, Buffer>()
  for (const name in headers) map.set(headerName(name), Buffer.from(headers[name]!))
  return map
}

function headerName(name: string): Buffer {
  const known = headerNames.get(name)
  if (known !== undefined) return known
  const bytes = Buffer.from(name)
  if (headerNames.size < MAX_HEADER_NAMES) headerNames.set(name, bytes)
  return bytes
}

/** What a fetch brought of one partition, as the codec gives it. */
export interface FetchedBatches {
  readonly records?: readonly RecordsBatch[] | null
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[] | null
}

const CONTROL = 1 << 5
const TRANSACTIONAL = 1 << 4
const LOG_APPEND_TIME = 1 << 3
/** Of a control record: its type is the second number of its key. */
const TYPE_AT = 2
const ABORT = 0

/**
 * The messages among the records: from the offset that was asked for on, without control records and without what belongs to
 * transactions that were aborted. A batch comes whole, with what is before that offset.
 */
export function messagesOf({ records, abortedTransactions }: FetchedBatches, asked: number): readonly IncomingRecord[] {
  const messages: IncomingRecord[] = []
  const isAborted = abortedBatches(abortedTransactions ?? [])
  for (const batch of records ?? []) {
    if (isAborted(batch) || (batch.attributes & CONTROL) !== 0) continue
    const first = Number(batch.firstOffset)
    for (const record of batch.records) {
      const offset = first + record.offsetDelta
      if (offset >= asked) messages.push(new PlatformaticRecord(offset, batch, record))
    }
  }
  return messages
}

/** The offset behind everything that was read: the last records of a batch may have been compacted away. */
export function nextOf({ records }: FetchedBatches, asked: number): number {
  const last = records?.at(-1)
  return last === undefined ? asked : Math.max(asked, Number(last.firstOffset) + last.lastOffsetDelta + 1)
}

/** To be asked batch by batch, in their order: a producer's transaction is aborted from its first offset to its marker. */
function abortedBatches(
  transactions: NonNullable<FetchedBatches['abortedTransactions']>,
): (batch: RecordsBatch) => boolean {
  const waiting = transactions.toSorted((a, b) => Number(a.firstOffset - b.firstOffset))
  const aborted = new Set<bigint>()
  return batch => {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta)
    while (waiting[0] !== undefined && waiting[0].firstOffset <= end) aborted.add(waiting.shift()!.producerId)
    if ((batch.attributes & CONTROL) === 0)
      return (batch.attributes & TRANSACTIONAL) !== 0 && aborted.has(batch.producerId)
    if (batch.records[0]?.key?.readInt16BE(TYPE_AT) === ABORT) aborted.delete(batch.producerId)
    return true
  }
}

class PlatformaticRecord implements IncomingRecord {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly #batch: RecordsBatch
  readonly #record: RecordsBatch['records'][number]

  constructor(offset: number, batch: RecordsBatch, record: RecordsBatch['records'][number]) {
    this.offset = offset
    this.key = record.key
    this.value = record.value
    this.#batch = batch
    this.#record = record
  }

  get timestamp(): number {
    const { attributes, firstTimestamp, maxTimestamp } = this.#batch
    if ((attributes & LOG_APPEND_TIME) !== 0) return Number(maxTimestamp)
    return Number(firstTimestamp + this.#record.timestampDelta)
  }

  eachHeader(visit: (name: string, value: Uint8Array | null) => void): void {
    for (const [name, value] of this.#record.headers) visit(name?.toString() ?? '', value)
  }
}
