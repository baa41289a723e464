import fc from 'fast-check'
import Decoder from 'kafkajs/src/protocol/decoder.js'
import decodeBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js'
import { describe, expect, it } from 'vitest'
import type { OutgoingRecord } from '../src/client/kafka-client.ts'
import { recordBatch } from '../src/kafkajs/record-batch.ts'

const plain = { type: 0, compress: undefined }
/** The attributes of a batch and its records, as kafkajs reads them. */
const read = (batch: Buffer) => decodeBatch(new Decoder(batch))

const bytes = fc.uint8Array({ maxLength: 300 })
const text = fc.string({ unit: 'grapheme', maxLength: 80 })
/** The reader of kafkajs puts headers into an object with a prototype. */
const name = text.filter(one => !(one in Object.prototype))
const record: fc.Arbitrary<OutgoingRecord> = fc.record({
  key: fc.option(bytes),
  value: bytes,
  headers: fc.dictionary(name, text, { maxKeys: 9 }),
  timestamp: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_600_000 }),
})

describe('a record batch', () => {
  it('is read by kafkajs as what was written, whatever that was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async written => {
        const { records } = await read(await recordBatch(written, plain))
        expect(
          records.map(({ key, value, headers, timestamp, offset }) => ({
            key: key === null ? null : [...key],
            value: [...(value ?? [])],
            headers: Object.entries(headers).map(([name, one]) => [name, String(one)]),
            timestamp: Number(timestamp),
            offset: Number(offset),
          })),
        ).toEqual(
          written.map(({ key, value, headers, timestamp }, offset) => ({
            key: key === null ? null : [...key],
            value: [...value],
            headers: Object.entries(headers),
            timestamp,
            offset,
          })),
        )
      }),
    )
  })

  it('says that its producer is not idempotent, where its last record is, and the times of its records', async () => {
    const at = (timestamp: number): OutgoingRecord => ({ key: null, value: Buffer.from('x'), headers: {}, timestamp })
    const batch = await recordBatch([at(1000), at(990), at(1500)], plain)
    expect(batch.readInt32BE(8)).toBe(batch.byteLength - 12)
    const { records, ...head } = await read(batch)
    expect(head).toMatchObject({ producerId: '-1', producerEpoch: -1, firstSequence: -1, lastOffsetDelta: 2 })
    expect(head).toMatchObject({ firstTimestamp: '1000', maxTimestamp: '1500' })
    expect(records.map(({ timestamp }) => timestamp)).toEqual(['1000', '990', '1500'])
  })

  it('takes the time of its first record where the clock was set by weeks in between', async () => {
    const records = [1_700_000_000_000, 1_800_000_000_000].map(timestamp => ({
      key: null,
      value: Buffer.from('x'),
      headers: {},
      timestamp,
    }))
    const { records: found } = await read(await recordBatch(records, plain))
    expect(found.map(({ timestamp }) => timestamp)).toEqual(['1700000000000', '1700000000000'])
  })
})
