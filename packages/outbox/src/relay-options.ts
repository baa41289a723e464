import { type Clock, type EventBus, MekongError } from '@mekong/core'
import type { Sql } from '@mekong/postgres'
import type { BlockedTuning } from './blocked-keys.ts'
import type { ForwardTuning } from './forwarder.ts'
import type { RelayObserver } from './relay-signal.ts'
import type { RingTuning } from './ring.ts'

export interface RelayOptions {
  readonly sql: Sql
  /** Where the events go. Started; the relay does not close it. */
  readonly eventBus: Pick<EventBus, 'forward' | 'isDurable'>
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /** Names this run of this process among all relays; never used again. @default a random one */
  readonly owner?: string | undefined
  /** Outboxes of this process: the relay looks as soon as one of their transactions has committed. */
  readonly wakeOn?: readonly WakeSource[] | undefined
  readonly tuning?: Partial<RelayTuning> | undefined
  /** Hears what happens inside; see RelaySignal. */
  readonly observe?: RelayObserver | undefined
  readonly clock?: Clock | undefined
}

/** What wakes a relay: an outbox. */
export interface WakeSource {
  /** Calls `wake` when there is, or is about to be, something to publish. Returns what ends that. */
  onPublished(wake: () => void): () => void
}

export interface RelayTuning extends ForwardTuning, BlockedTuning, RingTuning {
  /** How long the buckets of a relay that died stay with it. @default 9,000 */
  readonly leaseMs: number
  /** So long before its lease ends a relay starts nothing more: what the clocks of two machines may differ in a lease. @default 1,500 */
  readonly leaseMarginMs: number
  /** Leases are prolonged, and buckets shared out anew, so often. @default 2,500 */
  readonly heartbeatMs: number
  /** Pause between two looks while events come. @default 1 */
  readonly minPollMs: number
  /** And after a long time without any. @default 1,000 */
  readonly maxPollMs: number
  /** Events in one read. @default 1,000 */
  readonly readRows: number
  /** Bytes of bodies in one read. @default 8,388,608 */
  readonly readBytes: number
  /** Events read and not yet marked; no more are read then. @default 5,000 */
  readonly maxRows: number
  /** Bytes of bodies read and not yet marked. @default 33,554,432 */
  readonly maxBytes: number
}

const defaults: RelayTuning = {
  leaseMs: 9_000,
  leaseMarginMs: 1_500,
  heartbeatMs: 2_500,
  minPollMs: 1,
  maxPollMs: 1_000,
  readRows: 1_000,
  readBytes: 8 * 1024 * 1024,
  maxRows: 5_000,
  maxBytes: 32 * 1024 * 1024,
  batchRows: 500,
  runRows: 200,
  maxInFlightRows: 2_000,
  forwardTimeoutMs: 30_000,
  settleTimeoutMs: 600_000,
  retryDelayMs: 100,
  maxRetryDelayMs: 5_000,
  blockedPollMs: 1_000,
  maxBlockedKeys: 10_000,
  ringPollMs: 5_000,
  rotateAfterMs: 60_000,
  rotateAfterBytes: 64 * 1024 * 1024,
}

/** @throws MekongError INVALID_CONFIGURATION with the option's path and what is allowed */
export function resolveRelayTuning(given: Partial<RelayTuning> = {}): RelayTuning {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name)) {
      throw invalid(`tuning.${name} is not an option; the options are ${Object.keys(defaults).join(', ')}`)
    }
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw invalid(`tuning.${name} is a whole number above 0; got ${String(value)}`)
    }
  }
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const tuning: RelayTuning = { ...defaults, ...defined }
  if (tuning.heartbeatMs * 2 + tuning.leaseMarginMs > tuning.leaseMs) {
    throw invalid('tuning.leaseMs has room for two heartbeats and the margin, so that one of them may fail')
  }
  if (tuning.maxRows < tuning.readRows || tuning.maxBytes < tuning.readBytes) {
    throw invalid('tuning.maxRows and maxBytes have room for one read')
  }
  return tuning
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', `createRelay: ${message}`)
}
