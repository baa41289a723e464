/** Java's default: an event of a key is where any Java producer would put it. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7f_ff_ff_ff) % partitions
}

/**
 * Where events without a key go: one partition for so many bytes, then another, so that they travel in few large batches and
 * are spread evenly in the end.
 */
export class StickyPartitions {
  readonly #random: () => number
  readonly #switchAfterBytes: number
  readonly #current = new Map<string, { partition: number; bytes: number }>()

  constructor(random: () => number = Math.random, switchAfterBytes = 65_536) {
    this.#random = random
    this.#switchAfterBytes = switchAfterBytes
  }

  next(topic: string, candidates: readonly number[], bytes: number): number | undefined {
    const current = this.#current.get(topic)
    if (current !== undefined && current.bytes < this.#switchAfterBytes && candidates.includes(current.partition)) {
      current.bytes += bytes
      return current.partition
    }
    const others = candidates.length > 1 ? candidates.filter(id => id !== current?.partition) : candidates
    const partition = others[Math.floor(this.#random() * others.length)]
    if (partition !== undefined) this.#current.set(topic, { partition, bytes })
    return partition
  }
}

const SEED = 0x97_47_b2_8c
const MIX = 0x5b_d1_e9_95

/** 32 bits, as org.apache.kafka.common.utils.Utils.murmur2. */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  const whole = length & ~3
  let hash = SEED ^ length
  for (let at = 0; at < whole; at += 4) {
    let part = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)
    part = Math.imul(part, MIX)
    part ^= part >>> 24
    part = Math.imul(part, MIX)
    hash = Math.imul(hash, MIX) ^ part
  }
  if (length > whole) {
    if (length - whole === 3) hash ^= data[whole + 2]! << 16
    if (length - whole >= 2) hash ^= data[whole + 1]! << 8
    hash = Math.imul(hash ^ data[whole]!, MIX)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MIX)
  return hash ^ (hash >>> 15)
}
