import type { Clock } from '../clock.ts'
import type { Driver, Outgoing } from '../driver/driver-contract.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Receipt } from '../publish-options.ts'
import type { Observer } from '../signal.ts'
import { Pipeline } from './pipeline.ts'
import { rejected } from './publish-failure.ts'
import type { PublishTuning } from './publish-tuning.ts'

export interface PublisherOptions {
  readonly driver: Driver
  readonly clock: Clock
  /** Uniform in [0, 1): jitter. */
  readonly random: () => number
  /** Never throws. */
  readonly observe: Observer
  readonly options: PublishTuning
}

export interface SendOptions {
  /** At most `capabilities.publishDelayMs`. @default 0 */
  readonly delayMs?: number | undefined
  /** @default 'stored' */
  readonly until?: Outgoing['until'] | undefined
  /** With all repetitions. @default the tuning's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /** May use what is kept free for it below the broker's limits. @default false */
  readonly isDeadLetter?: boolean | undefined
  /**
   * For events that are sent in one go and keep their order whatever happens: names the keys of which one was not taken.
   * What comes behind it is not taken either.
   */
  readonly stopped?: Set<string> | undefined
}

/** Publishes prepared events to one broker. */
export interface Publisher {
  /**
   * Resolves when the broker has the event. Of one key, events are stored in the order of the calls; a failure fails what
   * waits behind it. Calls in flight together travel together.
   * @throws MekongError EVENT_TOO_LARGE, INVALID_EVENT, PUBLISH_REFUSED, PUBLISH_NOT_SENT (surely not stored),
   * PUBLISH_UNKNOWN (perhaps stored), BUFFER_FULL, BUS_CLOSED; all by rejection
   */
  send(event: PreparedEvent, how?: SendOptions): Promise<Receipt>
  /** Resolves when nothing is pending, or after `timeoutMs`; ends lingering. Never rejects. */
  flush(timeoutMs: number): Promise<void>
  /** Takes no more, waits for what is pending, and after `timeoutMs` fails the rest. Never rejects. Idempotent. */
  close(timeoutMs: number): Promise<void>
}

/** Kept free below the broker's limits, so that a dead letter with its headers always fits. */
const headroom = { bytes: 16 * 1024, headers: 5 } as const

/**
 * Two pipelines: what is sent `until: 'settled'` waits for handlers, and a handler that publishes must not wait behind
 * that, neither for its key nor for room.
 */
export function createPublisher({ driver, options: tuning, ...surroundings }: PublisherOptions): Publisher {
  const { observe } = surroundings
  const pipelines = {
    stored: new Pipeline({ driver, tuning, until: 'stored', ...surroundings }),
    settled: new Pipeline({ driver, tuning, until: 'settled', ...surroundings }),
  }
  const { capabilities } = driver
  const limits = { bytes: capabilities.maxBytes, headers: capabilities.headers.max }
  const eventLimits = { bytes: limits.bytes - headroom.bytes, headers: limits.headers - headroom.headers }
  let closing: Promise<void> | undefined

  const admit = (event: PreparedEvent, pipeline: Pipeline, limit: typeof eventLimits): number => {
    if (closing !== undefined) throw rejected(event, 'BUS_CLOSED', 'came after close')
    if (!capabilities.topicName.test(event.topic)) {
      throw rejected(
        event,
        'INVALID_EVENT',
        `names a topic that ${driver.name} does not take: ${capabilities.topicName}`,
      )
    }
    const { bytes, headers } = measure(event)
    if (bytes > limit.bytes) {
      throw rejected(event, 'EVENT_TOO_LARGE', `has ${bytes} bytes; ${driver.name} takes ${limit.bytes}`)
    }
    if (headers > limit.headers) {
      throw rejected(event, 'INVALID_EVENT', `has ${headers} headers; ${driver.name} takes ${limit.headers}`)
    }
    if (!pipeline.hasRoom(bytes))
      throw rejected(event, 'BUFFER_FULL', 'found too many events on their way to the broker')
    return bytes
  }

  const close = async (timeoutMs: number): Promise<void> => {
    await Promise.all([pipelines.stored.flush(timeoutMs), pipelines.settled.flush(timeoutMs)])
    pipelines.stored.abandon('the bus was closed')
    pipelines.settled.abandon('the bus was closed')
  }

  return {
    send: (event, { delayMs = 0, until = 'stored', timeoutMs = tuning.timeoutMs, isDeadLetter = false, stopped } = {}) =>
      new Promise((resolve, reject) => {
        const pipeline = pipelines[until]
        const order = stopped === undefined || event.key === undefined ? undefined : JSON.stringify([event.topic, event.key])
        try {
          if (order !== undefined && stopped?.has(order) === true) {
            throw rejected(event, 'PUBLISH_NOT_SENT', 'came behind an event of its key that was not taken')
          }
          const bytes = admit(event, pipeline, isDeadLetter ? limits : eventLimits)
          pipeline.add(event, { delayMs, timeoutMs, bytes }, { resolve, reject })
        } catch (error) {
          if (order !== undefined) stopped?.add(order)
          reject(error)
          const { id, type, topic } = event
          observe({ is: 'publish-failed', type, topic, id, error })
        }
      }),
    flush: async timeoutMs => {
      await Promise.all([pipelines.stored.flush(timeoutMs), pipelines.settled.flush(timeoutMs)])
    },
    close: timeoutMs => (closing ??= close(timeoutMs)),
  }
}

/** Bytes of the whole message: body, key and headers. */
function measure({ body, key, headers }: PreparedEvent): { readonly bytes: number; readonly headers: number } {
  let bytes = body.byteLength + (key === undefined ? 0 : Buffer.byteLength(key))
  let count = 0
  for (const name in headers) {
    bytes += name.length + Buffer.byteLength(headers[name]!)
    count++
  }
  return { bytes, headers: count }
}
