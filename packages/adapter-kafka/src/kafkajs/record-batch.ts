import crc32C from 'kafkajs/src/protocol/recordBatch/crc32C/index.js'
import type { OutgoingRecord } from '../client/kafka-client.ts'

/** Of a record batch of format 2, in front of its records: https://kafka.apache.org/documentation/#recordbatch */
const HEAD_BYTES = 61
const at = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  firstSequence: 53,
  count: 57,
} as const
const FORMAT = 2

export interface BatchCompression {
  /** As the attributes of a batch name it; 0: none. */
  readonly type: number
  /** Undefined: the records stay as they are. */
  readonly compress: ((records: Buffer) => Promise<Buffer>) | undefined
}

/**
 * The records as one batch of a producer that is not idempotent. The encoder of kafkajs makes several buffers for each record
 * and header, which takes most of the time of a publish; this one measures first, and writes once.
 */
export async function recordBatch(
  records: readonly OutgoingRecord[],
  { type, compress }: BatchCompression,
): Promise<Buffer> {
  if (compress === undefined) return sealed(encodeRecords(records, HEAD_BYTES), records, type)
  const compressed = await compress(encodeRecords(records, 0))
  const batch = Buffer.allocUnsafe(HEAD_BYTES + compressed.byteLength)
  compressed.copy(batch, HEAD_BYTES)
  return sealed(batch, records, type)
}

function sealed(batch: Buffer, records: readonly OutgoingRecord[], attributes: number): Buffer {
  const first = timeOf(records)
  let latest = first
  for (const { timestamp } of records) latest = Math.max(latest, first + deltaOf(timestamp, first))
  batch.writeBigInt64BE(0n, 0)
  batch.writeInt32BE(batch.byteLength - at.leaderEpoch, at.length)
  batch.writeInt32BE(-1, at.leaderEpoch)
  batch.writeInt8(FORMAT, at.magic)
  batch.writeInt16BE(attributes, at.attributes)
  batch.writeInt32BE(records.length - 1, at.lastOffsetDelta)
  batch.writeBigInt64BE(BigInt(first), at.firstTimestamp)
  batch.writeBigInt64BE(BigInt(latest), at.maxTimestamp)
  batch.writeBigInt64BE(-1n, at.producerId)
  batch.writeInt16BE(-1, at.producerEpoch)
  batch.writeInt32BE(-1, at.firstSequence)
  batch.writeInt32BE(records.length, at.count)
  batch.writeUInt32BE(crc32C(batch.subarray(at.attributes)), at.crc)
  return batch
}

/** @param space bytes that are left free in front */
function encodeRecords(records: readonly OutgoingRecord[], space: number): Buffer {
  const first = timeOf(records)
  const measured = records.map((record, index) => measure(record, deltaOf(record.timestamp, first), index))
  let bytes = space
  for (const { size } of measured) bytes += sizeOfVarint(size) + size
  const target = Buffer.allocUnsafe(bytes)
  let end = space
  for (const one of measured) end = write(target, end, one)
  return target
}

interface Measured {
  readonly record: OutgoingRecord
  readonly timestampDelta: number
  readonly offsetDelta: number
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  /** In UTF-8, of each of them. */
  readonly lengths: readonly number[]
  /** Of everything behind the size. */
  readonly size: number
}

function measure(record: OutgoingRecord, timestampDelta: number, offsetDelta: number): Measured {
  const headers: string[] = []
  const lengths: number[] = []
  let size = 1 + sizeOfVarint(timestampDelta) + sizeOfVarint(offsetDelta)
  size += record.key === null ? 1 : sizeOfBytes(record.key.byteLength)
  size += sizeOfBytes(record.value.byteLength)
  for (const name in record.headers) {
    const value = record.headers[name]!
    const [nameLength, valueLength] = [Buffer.byteLength(name), Buffer.byteLength(value)]
    headers.push(name, value)
    lengths.push(nameLength, valueLength)
    size += sizeOfBytes(nameLength) + sizeOfBytes(valueLength)
  }
  size += sizeOfVarint(headers.length / 2)
  return { record, timestampDelta, offsetDelta, headers, lengths, size }
}

/** Gives the end of what was written. */
function write(target: Buffer, start: number, measured: Measured): number {
  const { record, timestampDelta, offsetDelta, headers, lengths, size } = measured
  let end = writeVarint(target, start, size)
  // Attributes: none is in use.
  target[end++] = 0
  end = writeVarint(target, end, timestampDelta)
  end = writeVarint(target, end, offsetDelta)
  end = record.key === null ? writeVarint(target, end, -1) : writeBytes(target, end, record.key)
  end = writeBytes(target, end, record.value)
  end = writeVarint(target, end, headers.length / 2)
  for (let index = 0; index < headers.length; index++) {
    end = writeVarint(target, end, lengths[index]!)
    end += target.write(headers[index]!, end)
  }
  return end
}

function writeBytes(target: Buffer, start: number, bytes: Uint8Array): number {
  const end = writeVarint(target, start, bytes.byteLength)
  target.set(bytes, end)
  return end + bytes.byteLength
}

function sizeOfBytes(length: number): number {
  return sizeOfVarint(length) + length
}

/** Numbers near zero take little room, whatever their sign: zigzag, seven bits a byte. */
function writeVarint(target: Buffer, start: number, value: number): number {
  let end = start
  let rest = zigzag(value)
  while (rest > 0x7f) {
    target[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[end++] = rest
  return end
}

function sizeOfVarint(value: number): number {
  const bits = zigzag(value)
  if (bits < 0x80) return 1
  if (bits < 0x40_00) return 2
  if (bits < 0x20_00_00) return 3
  return bits < 0x10_00_00_00 ? 4 : 5
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}

function timeOf(records: readonly OutgoingRecord[]): number {
  return records[0]?.timestamp ?? 0
}

/** Where the clock was set by weeks between two records of a batch, the time of the batch counts. */
function deltaOf(timestamp: number, first: number): number {
  const delta = timestamp - first
  return Math.abs(delta) < 0x40_00_00_00 ? delta : 0
}
