import type { Capabilities } from '@mekong/core/driver'
import { topicNamePattern } from './broker-names.ts'
import { maxDelayMs } from './delay/delay-levels.ts'
import type { ResolvedRabbitMqOptions } from './rabbitmq-driver-options.ts'

/** The broker looks for deliveries that are too old once a minute. */
const timeoutPrecisionMs = 60_000

export function capabilitiesOf({ maxUnsettledMs, maxMessageBytes, canReplay }: ResolvedRabbitMqOptions): Capabilities {
  return {
    // The active consumer of a queue changes without notice, but not while it has something of it in hand.
    affinity: 'in-flight',
    // Each message has a confirm of its own.
    sameKeyBatch: 'apart',
    // A copy, by the ladder of delays.
    redeliver: { maxDelayMs, blocks: 'nothing', keepsPlace: false },
    maxUnsettledMs: Math.max(maxUnsettledMs - timeoutPrecisionMs, timeoutPrecisionMs / 2),
    publishDelayMs: maxDelayMs,
    durable: true,
    soleConsumer: true,
    backstop: true,
    replay: canReplay ? 'time' : 'none',
    headers: { max: 1000, binary: false },
    maxBytes: maxMessageBytes,
    batch: { entries: 500, bytes: 8 * 1024 * 1024 },
    topicName: topicNamePattern,
  }
}
