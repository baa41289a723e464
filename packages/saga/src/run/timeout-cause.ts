import { createHash } from 'node:crypto'
import type { Cause } from '@mekong/core'

/** What the events of a timeout follow from: the event from which time ran. Each attempt gives them the same ids. */
export function timeoutCause(
  origin: { readonly correlationId: string; readonly causationId: string },
  identity: readonly string[],
): Cause {
  return {
    correlationId: origin.correlationId,
    causationId: origin.causationId,
    nextId: (type, key) => uuid(JSON.stringify([...identity, 'timeout', type, key ?? null])),
  }
}

/** UUID of version 8 (RFC 9562), from a SHA-256. */
function uuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-')
}
