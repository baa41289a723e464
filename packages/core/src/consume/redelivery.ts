import type { Capabilities } from '../driver/driver-contract.ts'

/**
 * Whether the broker may bring one message back later: where order is asked for only if it keeps the message's place and
 * nothing but its key waits, elsewhere only if nothing waits.
 */
export function canRedeliver({ redeliver }: Capabilities, afterMs: number, ordered: boolean): boolean {
  if (redeliver.maxDelayMs === 0 || afterMs > redeliver.maxDelayMs) return false
  if (ordered) return redeliver.keepsPlace && redeliver.blocks === 'key'
  return redeliver.blocks === 'nothing' || (redeliver.keepsPlace && redeliver.blocks === 'key')
}
