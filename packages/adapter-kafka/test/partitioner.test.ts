import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import javaMurmur2 from 'kafkajs/src/producer/partitioners/default/murmur2.js'
import { murmur2, partitionOfKey, StickyPartitions } from '../src/kafka-partitioner.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('partitions of keys', () => {
  // Of org.apache.kafka.common.utils.UtilsTest.
  it.each([
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ])('hashes %s as Java does', (key, hash) => {
    expect(murmur2(bytes(key))).toBe(hash)
  })

  it('hashes any bytes as kafkajs does, which is tested against Java', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), key => {
        expect(murmur2(key)).toBe(javaMurmur2(Buffer.from(key)))
      }),
    )
  })

  it('stays within the partitions that there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 200 }), (key, count) => {
        const partition = partitionOfKey(key, count)
        expect(partition).toBeGreaterThanOrEqual(0)
        expect(partition).toBeLessThan(count)
      }),
    )
  })
})

describe('partitions of events without a key', () => {
  it('stay with one partition for a while, and go to another then', () => {
    const sticky = new StickyPartitions(() => 0, 100)
    const given = Array.from({ length: 6 }, () => sticky.next('orders', [0, 1, 2], 50))
    expect(given).toEqual([0, 0, 1, 1, 0, 0])
  })

  it('leave a partition that has no leader any more', () => {
    const sticky = new StickyPartitions(() => 0)
    expect(sticky.next('orders', [0, 1], 1)).toBe(0)
    expect(sticky.next('orders', [1], 1)).toBe(1)
    expect(sticky.next('orders', [], 1)).toBeUndefined()
  })

  it('are spread over all partitions in the end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (count, random) => {
          const sticky = new StickyPartitions(() => random.next().value as number, 10)
          const ids = Array.from({ length: count }, (_, id) => id)
          let previous: number | undefined
          for (let turn = 0; turn < 50; turn++) {
            const next = sticky.next('orders', ids, 10)!
            expect(next).not.toBe(previous)
            previous = next
          }
        },
      ),
    )
  })
})
