import { sharedNames } from '../broker-names.ts'

/**
 * Always a delivery limit: without one a message that comes back goes to the end of a quorum queue. What exceeds it goes to
 * the backstop, and leaves its queue when the backstop has confirmed it.
 */
export function groupQueueArguments(isOrdered: boolean, deliveryLimit: number): Readonly<Record<string, unknown>> {
  return {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': isOrdered,
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': sharedNames.backstop,
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  }
}

export function streamArguments(retentionMs: number | undefined): Readonly<Record<string, unknown>> {
  const age = retentionMs === undefined ? {} : { 'x-max-age': `${Math.max(1, Math.ceil(retentionMs / 1000))}s` }
  return { 'x-queue-type': 'stream', ...age }
}

const unclaimedForMs = 7 * 24 * 3_600_000
const maxUnclaimed = 100_000

/** What no group has asked for: kept for a week, the oldest leave first. */
export const unclaimedArguments: Readonly<Record<string, unknown>> = {
  'x-queue-type': 'quorum',
  'x-message-ttl': unclaimedForMs,
  'x-max-length': maxUnclaimed,
  'x-overflow': 'drop-head',
}

export const backstopArguments: Readonly<Record<string, unknown>> = { 'x-queue-type': 'quorum' }
