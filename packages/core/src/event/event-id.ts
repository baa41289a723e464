import { createHash, randomFillSync } from 'node:crypto'
import type { Clock } from '../clock.ts'

const poolBytes = 4096
const randomBytesPerId = 10
const hexDigits = Buffer.from('0123456789abcdef')

/**
 * Makes UUIDs of version 7 (RFC 9562): they sort by the clock's milliseconds, in no promised order within one. Random bytes
 * come from a pool, because asking the system for each id costs more than all the rest.
 */
export function createUuid(
  clock: Clock,
  fillRandom: (bytes: Uint8Array) => void = bytes => void randomFillSync(bytes),
): () => string {
  const pool = new Uint8Array(poolBytes)
  let used = poolBytes
  const bytes = new Uint8Array(16)
  return () => {
    if (used + randomBytesPerId > poolBytes) {
      fillRandom(pool)
      used = 0
    }
    const now = clock.now()
    const high = Math.floor(now / 0x1_0000)
    bytes[0] = high >>> 24
    bytes[1] = high >>> 16
    bytes[2] = high >>> 8
    bytes[3] = high
    bytes[4] = now / 0x100
    bytes[5] = now
    for (let index = 6; index < 16; index++) bytes[index] = pool[used++]!
    return uuidText(bytes, 7)
  }
}

/**
 * The same id for the same parts, shaped as a UUID of version 8 (RFC 9562: application defined): the first half of a SHA-256.
 * An undefined part differs from every string.
 */
export function hashedId(...parts: readonly (string | number | undefined)[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(parts.map(part => part ?? null)))
    .digest()
  return uuidText(digest, 8)
}

const dash = 0x2d
const text = Buffer.alloc(36)

/** Overwrites the version and variant bits of the first 16 bytes. */
function uuidText(bytes: Uint8Array, version: 7 | 8): string {
  bytes[6] = (bytes[6]! & 0x0f) | (version << 4)
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  let at = 0
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text[at++] = dash
    const byte = bytes[index]!
    text[at++] = hexDigits[byte >>> 4]!
    text[at++] = hexDigits[byte & 0x0f]!
  }
  // One flat string: pieces put together would be forty, and be copied once more when they are sent.
  return text.toString('latin1')
}
