import {
  type Clock,
  type EventBus,
  isMekongError,
  MekongError,
  type PreparedEvent,
  type PublishResult,
} from '@mekong/core'
import { messageOf } from '@mekong/core/driver'
import type { Bucket, Lane } from './bucket.ts'
import type { OutboxRow } from './outbox-row.ts'
import type { RelayObserver } from './relay-signal.ts'

export interface ForwarderOptions {
  readonly eventBus: Pick<EventBus, 'forward' | 'isDurable'>
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly tuning: ForwardTuning
  readonly buckets: () => Iterable<Bucket>
  readonly published: (bucket: Bucket, rows: readonly OutboxRow[]) => void
  /** The first row of this lane is dead: `lane.reason` says why. */
  readonly died: (lane: Lane) => void
  /** Whether another key can be blocked; otherwise its dead event is tried again, for ever. */
  readonly canBlock: () => boolean
}

export interface ForwardTuning {
  /** Events in one call. @default 500 */
  readonly batchRows: number
  /** Events of one key in one call. @default 200 */
  readonly runRows: number
  /** Events with the broker at once. @default 2,000 */
  readonly maxInFlightRows: number
  /** How long the broker is given for one call; less where a lease ends earlier. @default 30,000 */
  readonly forwardTimeoutMs: number
  /** The same on a broker that is not durable, where it is the time that all groups take to handle an event. @default 600,000 */
  readonly settleTimeoutMs: number
  /** Pause after a first failure; doubles up to `maxRetryDelayMs`. @default 100 */
  readonly retryDelayMs: number
  /** @default 5,000 */
  readonly maxRetryDelayMs: number
}

/** Sends what is in hand. A key that is with the broker waits for its answer; everything else goes on meanwhile. */
export interface Forwarder {
  /** Sends all that may be sent now. */
  pump(): void
  /** Sends rows of one key and waits: how many of them, from the first on, were published, and what stopped the rest. */
  forward(rows: readonly OutboxRow[], timeoutMs: number): Promise<ForwardOutcome>
}

export interface ForwardOutcome {
  readonly published: readonly OutboxRow[]
  /** Undefined: all were published. */
  readonly failure: Failure | undefined
}

interface Failure {
  readonly error: unknown
  /** The broker will never take this event. */
  readonly isFinal: boolean
  readonly reason: string
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  return new BusForwarder(options)
}

/** What the broker will never take. Everything else passes: an outage, or an answer that did not come, kills no event. */
const finalCodes: ReadonlySet<string> = new Set(['EVENT_TOO_LARGE', 'PUBLISH_REFUSED', 'INVALID_EVENT', 'INVALID_DATA'])

interface Run {
  readonly lane: Lane
  readonly rows: readonly OutboxRow[]
}

class BusForwarder implements Forwarder {
  readonly #options: ForwarderOptions
  #inFlight = 0

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  pump(): void {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      // Whoever waits for handlers waits for the slowest of its call: there each key has a call of its own.
      const durable = batch.filter(({ rows }) => this.#isDurable(rows[0]!.event))
      if (durable.length > 0) void this.#send(durable)
      for (const run of batch) if (!this.#isDurable(run.rows[0]!.event)) void this.#send([run])
    }
  }

  async forward(rows: readonly OutboxRow[], timeoutMs: number): Promise<ForwardOutcome> {
    return outcomeOf(rows, await this.#results(rows, timeoutMs))
  }

  #isDurable({ topic }: PreparedEvent): boolean {
    try {
      return this.#options.eventBus.isDurable(topic)
    } catch {
      // A bus that does not know will say so when it is asked to forward, and is asked again.
      return true
    }
  }

  #take(): readonly Run[] {
    const { clock, tuning, buckets } = this.#options
    const now = clock.monotonic()
    let room = Math.min(tuning.batchRows, tuning.maxInFlightRows - this.#inFlight)
    const runs: Run[] = []
    for (const bucket of buckets()) {
      if (room <= 0) break
      if (bucket.ready.size === 0 || bucket.safeFor(now) <= 0) continue
      for (const lane of bucket.ready) {
        if (room <= 0) break
        const run = this.#takeRun(lane, room)
        room -= run.rows.length
        runs.push(run)
      }
    }
    return runs
  }

  #takeRun(lane: Lane, room: number): Run {
    const { tuning } = this.#options
    const most = this.#isDurable(lane.rows[0]!.event) ? tuning.runRows : 1
    const rows = lane.bucket.takeOff(lane, Math.min(most, room))
    this.#inFlight += rows.length
    return { lane, rows }
  }

  async #send(runs: readonly Run[]): Promise<void> {
    const { clock, observe } = this.#options
    const rows = runs.flatMap(run => run.rows)
    const startedAt = clock.monotonic()
    const safeMs = Math.min(...runs.map(({ lane }) => lane.bucket.safeFor(startedAt)))
    const results = await this.#results(rows, safeMs)
    this.#inFlight -= rows.length
    let offset = 0
    let published = 0
    for (const run of runs) {
      published += this.#answered(run, results.slice(offset, offset + run.rows.length))
      offset += run.rows.length
    }
    observe({ is: 'forwarded', rows: rows.length, published, tookMs: clock.monotonic() - startedAt })
    this.pump()
  }

  /** Nothing that was sent may be repeated after the lease ended, so the bus gets no longer for it than that. */
  async #results(rows: readonly OutboxRow[], safeMs: number): Promise<readonly PublishResult[]> {
    const { eventBus, tuning } = this.#options
    const events = rows.map(row => row.event)
    const how = this.#isDurable(events[0]!)
      ? { until: 'stored' as const, timeoutMs: Math.max(1, Math.floor(Math.min(safeMs, tuning.forwardTimeoutMs))) }
      : { until: 'settled' as const, timeoutMs: tuning.settleTimeoutMs }
    try {
      return await eventBus.forward(events, how)
    } catch (error) {
      return events.map(() => ({ is: 'failed', error }))
    }
  }

  #answered({ lane, rows }: Run, results: readonly PublishResult[]): number {
    const { bucket } = lane
    const { published, failure } = outcomeOf(rows, results)
    if (bucket.isClosed) return published.length
    bucket.land(lane, published)
    this.#options.published(bucket, published)
    if (failure === undefined) {
      lane.failures = 0
      bucket.offer(lane)
    } else if (failure.isFinal && (lane.order === undefined || this.#options.canBlock())) {
      lane.isBlocked = true
      lane.reason = failure.reason
      this.#options.died(lane)
    } else this.#tryAgain(lane, failure.error)
    return published.length
  }

  #tryAgain(lane: Lane, error: unknown): void {
    const { clock, observe, tuning } = this.#options
    const delayMs = Math.min(tuning.maxRetryDelayMs, tuning.retryDelayMs * 2 ** Math.min(lane.failures++, 30))
    observe({ is: 'forward-failed', topic: lane.rows[0]!.event.topic, rows: lane.rows.length, error })
    clock.after(delayMs, () => {
      lane.bucket.retry(lane)
      this.pump()
    })
  }
}

/** One failure ends a key's run: what comes behind it waits, whatever became of it. */
function outcomeOf(rows: readonly OutboxRow[], results: readonly PublishResult[]): ForwardOutcome {
  const published: OutboxRow[] = []
  let failure: ForwardOutcome['failure']
  for (const [index, row] of rows.entries()) {
    const result = results[index] ?? { is: 'failed', error: unanswered }
    if (result.is === 'published') published.push(row)
    else failure ??= failureOf(result.error)
  }
  return { published, failure }
}

function failureOf(error: unknown): Failure {
  if (!isMekongError(error)) return { error, isFinal: false, reason: messageOf(error) }
  return { error, isFinal: finalCodes.has(error.code), reason: `${error.code}: ${messageOf(error)}` }
}

const unanswered = new MekongError('PUBLISH_UNKNOWN', 'The bus gave no answer for this event', { retryable: true })
