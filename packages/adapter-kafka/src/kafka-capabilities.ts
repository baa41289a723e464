import type { Capabilities } from '@mekong/core/driver'

const TEN_YEARS_MS = 315_360_000_000

/** What Kafka can do, whichever client speaks to it. */
export function capabilitiesOf({ maxMessageBytes }: { readonly maxMessageBytes: number }): Capabilities {
  return {
    affinity: 'partition',
    sameKeyBatch: 'together',
    // One message cannot come later than those behind it: the bus holds it.
    redeliver: { maxDelayMs: 0, blocks: 'partition', keepsPlace: true },
    // Membership is kept by heartbeats of the adapter's own, however long a handler runs.
    maxUnsettledMs: TEN_YEARS_MS,
    publishDelayMs: 0,
    durable: true,
    backstop: false,
    replay: 'time',
    headers: { max: 1000, binary: true },
    maxBytes: maxMessageBytes,
    // Half of it: what a batch holds for one partition travels as one, and its records take something for themselves.
    batch: { entries: 1000, bytes: Math.floor(maxMessageBytes / 2) },
    topicName: /^(?!\.{1,2}$)[\w.-]{1,249}$/,
  }
}
