import type { Clock } from '@mekong/core'
import { createPause, type Pause } from '@mekong/core/driver'
import type { Bucket } from './bucket.ts'
import { createOutboxReader, type OutboxReader, ServerChanged } from './outbox-reader.ts'
import { createPollPace, type PollPace } from './poll-pace.ts'
import type { Database } from './read.ts'
import type { RelayObserver } from './relay-signal.ts'

export interface IntakeOptions {
  readonly database: Database
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly tuning: IntakeTuning
  readonly buckets: () => ReadonlyMap<number, Bucket>
  /** Finds out which server this is: before the first read, and after anything went wrong. */
  readonly identify: () => Promise<{ readonly server: string }>
  /** Rows came in hand; `isBlocked`: some for keys that are blocked. */
  readonly came: (isBlocked: boolean) => void
  /** The database answers: undefined. Otherwise why it does not. */
  readonly health: (error: unknown) => void
}

export interface IntakeTuning {
  readonly minPollMs: number
  readonly maxPollMs: number
  readonly readRows: number
  readonly readBytes: number
  readonly maxRows: number
  readonly maxBytes: number
}

/** Reads what is committed into the hands of the buckets, as long as there is room. */
export interface Intake {
  follow(bucket: Bucket): void
  forget(bucket: Bucket): void
  /** There is, or is about to be, something to read. */
  wake(): void
  /** Something left the hands of a bucket. */
  madeRoom(): void
  /** Until aborted. */
  run(signal: AbortSignal): Promise<void>
}

const RETRY_MS = 250

export function createIntake(options: IntakeOptions): Intake {
  return new RowIntake(options)
}

class RowIntake implements Intake {
  readonly #options: IntakeOptions
  readonly #pace: PollPace
  /** Undefined: has to begin anew. */
  #reader: OutboxReader | undefined
  #pause: Pause | undefined
  #isFull = false

  constructor(options: IntakeOptions) {
    this.#options = options
    const { minPollMs, maxPollMs } = options.tuning
    this.#pace = createPollPace({ minMs: minPollMs, maxMs: maxPollMs })
  }

  follow(bucket: Bucket): void {
    this.#reader?.follow(bucket.number)
    this.wake()
  }

  forget(bucket: Bucket): void {
    this.#reader?.forget(bucket.number)
  }

  wake(): void {
    this.#pace.stir(this.#options.clock.monotonic())
    this.#pause?.end()
  }

  madeRoom(): void {
    if (this.#isFull && this.#hasRoom()) this.#pause?.end()
  }

  async run(signal: AbortSignal): Promise<void> {
    const pause = createPause(this.#options.clock, signal)
    this.#pause = pause
    while (!signal.aborted) {
      try {
        const isMore = await this.#turn()
        this.#options.health(undefined)
        if (!isMore) await pause.wait(this.#pauseMs())
      } catch (error) {
        this.#startAnew(error)
        await pause.wait(RETRY_MS)
      }
    }
  }

  /** Whether to read on at once. */
  async #turn(): Promise<boolean> {
    this.#isFull = !this.#hasRoom()
    if (this.#isFull) return false
    const { clock, observe, tuning } = this.#options
    const reader = (this.#reader ??= await this.#openReader())
    const startedAt = clock.monotonic()
    const { rows, isMore } = await reader.read({ rows: tuning.readRows, bytes: tuning.readBytes })
    if (rows.length > 0) {
      this.#pace.stir(clock.monotonic())
      observe({ is: 'read', rows: rows.length, tookMs: clock.monotonic() - startedAt })
      this.#handOut(rows)
    }
    return isMore
  }

  async #openReader(): Promise<OutboxReader> {
    const { database, buckets, identify } = this.#options
    const { server } = await identify()
    const reader = createOutboxReader(database, server)
    for (const bucket of buckets().values()) {
      bucket.startAnew()
      reader.follow(bucket.number)
    }
    return reader
  }

  #handOut(rows: Awaited<ReturnType<OutboxReader['read']>>['rows']): void {
    const buckets = this.#options.buckets()
    let isBlocked = false
    for (const row of rows) if (buckets.get(row.bucket)?.add(row)?.isBlocked === true) isBlocked = true
    this.#options.came(isBlocked)
  }

  /** What was read before may not have happened: a crash can lose what others saw committed. */
  #startAnew(error: unknown): void {
    const { observe, health } = this.#options
    this.#reader = undefined
    health(error)
    if (error instanceof ServerChanged) return observe({ is: 'read-anew', why: 'server-changed' })
    observe({ is: 'database-failed', during: 'read', error })
    observe({ is: 'read-anew', why: 'database-failed' })
  }

  #hasRoom(): boolean {
    const { buckets, tuning } = this.#options
    let rows = 0
    let bytes = 0
    for (const bucket of buckets().values()) {
      rows += bucket.rows
      bytes += bucket.bytes
    }
    return rows + tuning.readRows <= tuning.maxRows && bytes + tuning.readBytes <= tuning.maxBytes
  }

  #pauseMs(): number {
    const { clock, tuning } = this.#options
    // Without room, what makes room ends the pause.
    return this.#isFull ? tuning.maxPollMs : this.#pace.pauseMs(clock.monotonic())
  }
}
