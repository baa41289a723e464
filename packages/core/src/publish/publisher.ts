import type { Clock } from '../clock.ts'
import type { Driver, Outgoing } from '../driver/driver-contract.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Receipt } from '../publish-options.ts'
import type { Observer } from '../signal.ts'
import { Pipeline, type Caller } from './pipeline.ts'
import { rejected } from './publish-failure.ts'
import type { PublishTuning } from './publish-tuning.ts'

export interface PublisherOptions {
  readonly driver: Driver
  readonly clock: Clock
  /** Uniform in [0, 1): jitter. */
  readonly random: () => number
  /** Never throws. */
  readonly observe: Observer | undefined
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
   * For events that are sent in one go: they wait for room in the buffer instead of being refused, and keep their order
   * whatever happens. Shared by all of them.
   */
  readonly run?: Run | undefined
}

/** Several events of one call. */
export interface Run {
  /** The keys, by `orderOf`, of which one was not published: what comes behind it is not sent either. */
  readonly stopped: Set<string>
}

/** Names what order is kept by; undefined for an event without a key. */
export function orderOf({ topic, key }: PreparedEvent): string | undefined {
  return key === undefined ? undefined : JSON.stringify([topic, key])
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
  const { observe, clock } = surroundings
  const pipelines = {
    stored: new Pipeline({ driver, tuning, until: 'stored', ...surroundings }),
    settled: new Pipeline({ driver, tuning, until: 'settled', ...surroundings }),
  }
  const { capabilities } = driver
  const limits = { bytes: capabilities.maxBytes, headers: capabilities.headers.max }
  const eventLimits = { bytes: limits.bytes - headroom.bytes, headers: limits.headers - headroom.headers }
  let closing: Promise<void> | undefined

  /** Bytes of the event, if it is one that the driver may take. */
  const admit = (event: PreparedEvent, { isDeadLetter = false }: SendOptions): number => {
    if (closing !== undefined) throw rejected(event, 'BUS_CLOSED', 'came after close')
    if (!capabilities.topicName.test(event.topic)) {
      throw rejected(
        event,
        'INVALID_EVENT',
        `names a topic that ${driver.name} does not take: ${capabilities.topicName}`,
      )
    }
    const limit = isDeadLetter ? limits : eventLimits
    const { bytes, headers } = measure(event)
    if (bytes > limit.bytes) {
      throw rejected(event, 'EVENT_TOO_LARGE', `has ${bytes} bytes; ${driver.name} takes ${limit.bytes}`)
    }
    if (headers > limit.headers) {
      throw rejected(event, 'INVALID_EVENT', `has ${headers} headers; ${driver.name} takes ${limit.headers}`)
    }
    return bytes
  }

  const refuse = ({ id, type, topic }: PreparedEvent, caller: Caller, error: unknown): void => {
    caller.reject(error)
    observe?.({ is: 'publish-failed', type, topic, id, error })
  }

  const sendAlone = (event: PreparedEvent, how: SendOptions, caller: Caller): void => {
    const pipeline = pipelines[how.until ?? 'stored']
    try {
      const bytes = admit(event, how)
      if (!pipeline.hasRoom(bytes))
        throw rejected(event, 'BUFFER_FULL', 'found too many events on their way to the broker')
      pipeline.add(event, { delayMs: how.delayMs ?? 0, timeoutMs: how.timeoutMs ?? tuning.timeoutMs, bytes }, caller)
    } catch (error) {
      refuse(event, caller, error)
    }
  }

  const sendInRun = (event: PreparedEvent, how: SendOptions, { stopped }: Run, { resolve, reject }: Caller): void => {
    const pipeline = pipelines[how.until ?? 'stored']
    const order = orderOf(event)
    const caller: Caller = {
      resolve,
      reject: error => {
        if (order !== undefined) stopped.add(order)
        reject(error)
      },
    }
    // Asked for, it is how long the caller waits; otherwise an event that waited for room has all its time after that.
    const deadline = how.timeoutMs === undefined ? Infinity : clock.monotonic() + how.timeoutMs
    const expire = (): void => refuse(event, caller, rejected(event, 'PUBLISH_NOT_SENT', 'found no room in time'))
    const enter = (): void => {
      const leftMs = Math.min(how.timeoutMs ?? tuning.timeoutMs, deadline - clock.monotonic())
      if (leftMs <= 0) return expire()
      try {
        if (order !== undefined && stopped.has(order)) {
          throw rejected(event, 'PUBLISH_NOT_SENT', 'came behind an event of its key that was not taken')
        }
        pipeline.add(event, { delayMs: how.delayMs ?? 0, timeoutMs: leftMs, bytes: admit(event, how) }, caller)
      } catch (error) {
        refuse(event, caller, error)
      }
    }
    const { bytes } = measure(event)
    // Nothing is refused before its turn, because a refusal stops what is behind it and must not stop what is ahead.
    if (pipeline.hasRoom(bytes)) enter()
    else pipeline.waitForRoom({ bytes, deadline, enter, expire })
  }

  const close = async (timeoutMs: number): Promise<void> => {
    await Promise.all([pipelines.stored.flush(timeoutMs), pipelines.settled.flush(timeoutMs)])
    pipelines.stored.abandon('the bus was closed')
    pipelines.settled.abandon('the bus was closed')
  }

  return {
    send: (event, how = {}) =>
      new Promise((resolve, reject) => {
        if (how.run === undefined) sendAlone(event, how, { resolve, reject })
        else sendInRun(event, how, how.run, { resolve, reject })
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
