import type { ErrorCode, FetchedPart, IncomingRecord } from '../client/kafka-client.ts'
import { withoutAborted, type DecodedRecord } from './kafkajs-protocol.ts'

/** What the codec gives for one partition of a fetch; older brokers leave out the second half. */
export interface DecodedPart {
  readonly partition: number
  readonly errorCode: ErrorCode
  readonly highWatermark: string
  readonly messages: readonly DecodedRecord[]
  readonly lastStableOffset?: string
  /** The log start offset; the name is a slip of kafkajs. */
  readonly lastStartOffset?: string
  readonly abortedTransactions?: readonly object[] | null
  readonly preferredReadReplica?: number
}

/** @param asked the offset that was asked for: a batch that holds it comes whole, with what is before it */
export function fetchedPart(topic: string, part: DecodedPart, asked: number): FetchedPart {
  const { messages, abortedTransactions = null } = part
  const visible = abortedTransactions === null ? messages : withoutAborted({ messages, abortedTransactions })
  const records: IncomingRecord[] = []
  for (const message of visible) {
    const offset = Number(message.offset)
    if (offset >= asked && message.isControlRecord !== true) records.push(new KafkajsRecord(offset, message))
  }
  return {
    topic,
    partition: part.partition,
    errorCode: part.errorCode,
    end: Number(part.lastStableOffset ?? part.highWatermark),
    start: Number(part.lastStartOffset ?? -1),
    preferredReplica: part.preferredReadReplica ?? -1,
    records,
    next: Math.max(asked, behind(messages.at(-1))),
  }
}

/** The end of its batch: the last records of a batch may have been compacted away. */
function behind(last: DecodedRecord | undefined): number {
  if (last === undefined) return -1
  const batch = last.batchContext
  return 1 + (batch === undefined ? Number(last.offset) : Number(batch.firstOffset) + batch.lastOffsetDelta)
}

class KafkajsRecord implements IncomingRecord {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly #record: DecodedRecord

  constructor(offset: number, record: DecodedRecord) {
    this.offset = offset
    this.key = record.key
    this.value = record.value
    this.#record = record
  }

  get timestamp(): number {
    return Number(this.#record.timestamp)
  }

  eachHeader(visit: (name: string, value: Uint8Array | null) => void): void {
    const { headers } = this.#record
    for (const name of Object.keys(headers)) {
      const value = headers[name]
      if (Array.isArray(value)) for (const one of value as readonly (Buffer | null)[]) visit(name, one)
      else visit(name, value as Buffer | null)
    }
  }
}
