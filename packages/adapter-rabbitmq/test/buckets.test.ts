import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketCount, bucketOf, bucketsOfQueue, routingKeys } from '../src/buckets.ts'

describe('buckets', () => {
  // The constant is what publishers of any version and language agree on: never change these.
  it.each([
    ['', 124],
    ['a', 52],
    ['order-1', 18],
    ['order-2', 75],
    ['customer/42', 35],
    ['Größe', 28],
    ['日本語', 89],
    ['🎁', 14],
  ])('puts the key %j into bucket %i for ever', (key, bucket) => {
    expect(bucketOf(key)).toBe(bucket)
  })

  it('hashes the UTF-8 bytes of a key, whatever the path through the code', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10_ffff })), codes => {
        const key = String.fromCodePoint(...codes)
        let hash = 0x811c9dc5
        for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193)
        expect(bucketOf(key)).toBe(((hash ^ (hash >>> 15)) >>> 0) % 128)
      }),
    )
  })

  it('spreads keys that differ in their last digits', () => {
    const counts = Array.from({ length: bucketCount }, () => 0)
    for (let n = 0; n < 12_800; n++) counts[bucketOf(`order-${n}`)]! += 1
    expect(Math.min(...counts)).toBeGreaterThan(50)
    expect(Math.max(...counts)).toBeLessThan(200)
  })

  it('gives every bucket to exactly one of any number of queues, as evenly as can be', () => {
    for (let count = 1; count <= bucketCount; count++) {
      const shares = Array.from({ length: count }, (_, index) => bucketsOfQueue(index, count))
      expect(shares.flat()).toEqual(Array.from({ length: bucketCount }, (_, bucket) => bucket))
      const sizes = shares.map(share => share.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }
  })

  it('has a routing key for each bucket', () => {
    expect(routingKeys('order.created')).toHaveLength(128)
    expect(routingKeys('order.created')[127]).toBe('order.created.127')
  })
})
