import { sharedNames } from '../broker-names.ts'
import { inequivalenceOf } from '../rabbitmq-failures.ts'

/** Of a queue that keeps no order. */
export function unorderedQueueArguments(deliveryLimit: number): Readonly<Record<string, unknown>> {
  return { ...groupQueueArguments(deliveryLimit), 'x-single-active-consumer': false }
}

/**
 * Of a queue that keeps order. It says how many its generation has, in an argument that the broker compares: so a generation
 * that has lost a queue is not taken for a smaller one.
 */
export function orderedQueueArguments(deliveryLimit: number, count: number): Readonly<Record<string, unknown>> {
  return {
    ...groupQueueArguments(deliveryLimit),
    'x-single-active-consumer': true,
    [countArgument]: `of ${count}`,
  }
}

/** How many queues the generation of a queue has that was declared with another number; undefined: it differs in something else. */
export function countInstead(error: unknown): number | undefined {
  const { argument, found } = inequivalenceOf(error) ?? {}
  const count = argument === countArgument ? /^of (\d+)$/.exec(found ?? '')?.[1] : undefined
  return count === undefined ? undefined : Number(count)
}

/** Free for this use: the backstop takes everything, whatever its routing key. */
const countArgument = 'x-dead-letter-routing-key'

/**
 * Always a delivery limit: without one a message that comes back goes to the end of a quorum queue. What exceeds it goes to
 * the backstop, and leaves its queue when the backstop has confirmed it.
 */
function groupQueueArguments(deliveryLimit: number): Readonly<Record<string, unknown>> {
  return {
    'x-queue-type': 'quorum',
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
/** None would be 20 from RabbitMQ 4 on: looking at a message and putting it back counts, and would drop it in the end. */
const forPeople = { 'x-delivery-limit': 1_000_000 }

/** What no group has asked for: kept for a week, the oldest leave first. */
export const unclaimedArguments: Readonly<Record<string, unknown>> = {
  'x-queue-type': 'quorum',
  'x-message-ttl': unclaimedForMs,
  'x-max-length': maxUnclaimed,
  'x-overflow': 'drop-head',
  ...forPeople,
}

export const backstopArguments: Readonly<Record<string, unknown>> = { 'x-queue-type': 'quorum', ...forPeople }
