/**
 * Publishers route by `<topic>.<bucket>`, and every group binds its queues to ranges of buckets: so the number of queues of
 * a group may change without a publisher knowing, and publishers in any language agree with each other. The number and the
 * hash are a protocol constant, told by the name of each topic's alternate exchange: a topic that was declared with another
 * one is a difference.
 *
 * The bucket of a key: FNV-1a (32 bits) over its UTF-8 bytes, folded as `h ^ (h >>> 15)`, modulo 128.
 */
export const bucketCount = 128

const encoder = new TextEncoder()

export function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at)
    if (code > 0x7f) return bucketOfBytes(encoder.encode(key))
    hash = Math.imul(hash ^ code, 0x01000193)
  }
  return fold(hash)
}

function bucketOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return fold(hash)
}

function fold(hash: number): number {
  return ((hash ^ (hash >>> 15)) >>> 0) % bucketCount
}

/** The buckets of one of `count` queues, as even as can be. */
export function bucketsOfQueue(index: number, count: number): readonly number[] {
  const from = Math.floor((index * bucketCount) / count)
  const to = Math.floor(((index + 1) * bucketCount) / count)
  return Array.from({ length: to - from }, (_, offset) => from + offset)
}

/** The routing keys of a topic, by bucket. */
export function routingKeys(topic: string): readonly string[] {
  return Array.from({ length: bucketCount }, (_, bucket) => `${topic}.${bucket}`)
}
