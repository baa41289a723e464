import type { Capabilities } from '../driver/driver-contract.ts'
import { MAX_MESSAGE_BYTES, type ResolvedMemoryBrokerOptions } from './memory-broker-options.ts'

const TEN_YEARS_MS = 315_360_000_000
const TWELVE_HOURS_MS = 43_200_000

/** What the broker can do, as its hostility leaves it. */
export function capabilitiesOf(options: ResolvedMemoryBrokerOptions): Capabilities {
  const { affinity, sameKeyBatch, redeliversLater, publishesLater } = options.hostility
  return {
    affinity,
    sameKeyBatch,
    redeliver: {
      maxDelayMs: redeliversLater ? (affinity === 'in-flight' ? TWELVE_HOURS_MS : TEN_YEARS_MS) : 0,
      blocks: affinity === 'in-flight' ? 'key' : 'nothing',
      keepsPlace: affinity === 'in-flight',
    },
    maxUnsettledMs: affinity === 'partition' ? TEN_YEARS_MS : TWELVE_HOURS_MS,
    publishDelayMs: publishesLater ? TEN_YEARS_MS : 0,
    durable: false,
    backstop: false,
    replay: affinity === 'partition' ? 'time' : 'none',
    headers: { max: 1000, binary: false },
    maxBytes: MAX_MESSAGE_BYTES,
    batch: { entries: Math.min(1000, options.maxMessages), bytes: 4 * MAX_MESSAGE_BYTES },
    topicName: /^[\w.-]{1,249}$/,
  }
}
