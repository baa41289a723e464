import type { Clock } from '@mekong/core'
import { createPause, type Pause } from '@mekong/core/driver'
import { advanceKey, type Decided, type Move, moveRows, readBlockedKeys, readDecided, readRun } from './blocked-rows.ts'
import type { Bucket, Lane } from './bucket.ts'
import type { Refused } from './fence.ts'
import type { ForwardOutcome } from './forwarder.ts'
import { orderOf, type OutboxRow } from './outbox-row.ts'
import type { Database } from './read.ts'
import type { RelayObserver } from './relay-signal.ts'

export interface BlockedKeysOptions {
  readonly database: Database
  readonly owner: string
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly tuning: BlockedTuning
  readonly buckets: () => Iterable<Bucket>
  readonly forward: (rows: readonly OutboxRow[], timeoutMs: number) => Promise<ForwardOutcome>
  readonly refused: (buckets: Refused) => void
  /** There is room again, or a lane that may be sent. */
  readonly changed: () => void
}

export interface BlockedTuning {
  /** How often it looks for dead events that a person retried or discarded. @default 1,000 */
  readonly blockedPollMs: number
  /** Of one relay. With so many, an event that dies stays where it is and is tried again and again. @default 10,000 */
  readonly maxBlockedKeys: number
}

/**
 * Keys that wait behind a dead event. Their rows are moved into a table of their own, so that the ring can turn, and are
 * published from there, in order, once the dead event was retried or discarded.
 */
export interface BlockedKeys {
  /** Learns which keys are blocked. Before the first row of the buckets is read. */
  load(buckets: readonly Bucket[]): Promise<void>
  /** There are rows to move, or somebody decided about a dead event. */
  wake(): void
  readonly size: number
  readonly hasRoom: boolean
  /** Until aborted. */
  run(signal: AbortSignal): Promise<void>
}

const ROWS_PER_MOVE = 1000
const KEYS_AT_ONCE = 20
const ROWS_PER_RUN = 200
const RETRY_MS = 1000

export function createBlockedKeys(options: BlockedKeysOptions): BlockedKeys {
  return new KeyBlocker(options)
}

class KeyBlocker implements BlockedKeys {
  readonly #options: BlockedKeysOptions
  /** Keys whose rows are being published from the table: nothing is added to them before that is over. */
  readonly #going = new Set<string>()
  #pause: Pause | undefined

  constructor(options: BlockedKeysOptions) {
    this.#options = options
  }

  get size(): number {
    let size = 0
    for (const bucket of this.#options.buckets()) size += bucket.blocked.size
    return size
  }

  get hasRoom(): boolean {
    return this.size < this.#options.tuning.maxBlockedKeys
  }

  async load(buckets: readonly Bucket[]): Promise<void> {
    const byNumber = new Map(buckets.map(bucket => [bucket.number, bucket]))
    const keys = await readBlockedKeys(this.#options.database, byNumber.keys())
    for (const key of keys) byNumber.get(key.bucket)?.blocked.add(orderOf(key)!)
  }

  wake(): void {
    this.#pause?.end()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, observe, tuning } = this.#options
    const pause = createPause(clock, signal)
    this.#pause = pause
    while (!signal.aborted) {
      try {
        while (await this.#move());
        await this.#startDecided()
        await pause.wait(tuning.blockedPollMs)
      } catch (error) {
        observe({ is: 'database-failed', during: 'blocked', error })
        await pause.wait(RETRY_MS)
      }
    }
  }

  /** Whether there was something to move. */
  async #move(): Promise<boolean> {
    const { database, owner, observe, refused, changed } = this.#options
    const moves = this.#movable()
    if (moves.length === 0) return false
    for (const { bucket, lane } of moves) if (lane.order !== undefined) bucket.blocked.add(lane.order)
    refused(await moveRows(database, owner, moves))
    for (const { bucket, lane, row, reason } of moves) {
      bucket.drop(lane, row)
      const { id, type, topic } = row.event
      if (reason !== undefined && !bucket.isClosed) observe({ is: 'event-dead', id, type, topic, reason })
    }
    changed()
    return true
  }

  #movable(): readonly (Move & { readonly lane: Lane })[] {
    const moves: (Move & { readonly lane: Lane })[] = []
    for (const bucket of this.#options.buckets()) {
      for (const lane of bucket.isOpen ? bucket.lanes : []) {
        if (!lane.isBlocked || this.#going.has(lane.order ?? '')) continue
        for (const [index, row] of lane.rows.entries()) {
          if (moves.length === ROWS_PER_MOVE) return moves
          moves.push({ lane, bucket, row, reason: index === 0 ? lane.reason : undefined })
        }
      }
    }
    return moves
  }

  async #startDecided(): Promise<void> {
    const room = KEYS_AT_ONCE - this.#going.size
    const open = Array.from(this.#options.buckets()).filter(bucket => bucket.isOpen)
    if (room <= 0 || open.length === 0) return
    const decided = await readDecided(
      this.#options.database,
      open.map(bucket => bucket.number),
      KEYS_AT_ONCE,
    )
    const waiting = decided.filter(key => !this.#going.has(nameOf(key)))
    for (const key of waiting.slice(0, room)) {
      const bucket = open.find(({ number }) => number === key.bucket)
      if (bucket?.isOpen === true) void this.#goOn(bucket, key)
    }
  }

  async #goOn(bucket: Bucket, key: Decided): Promise<void> {
    const { observe } = this.#options
    this.#going.add(nameOf(key))
    using _ = bucket.holdOpen(key.position)
    let isMore = false
    try {
      isMore =
        key.state === 'discarded' ? await this.#advance(bucket, key, [key.position]) : await this.#publish(bucket, key)
    } catch (error) {
      observe({ is: 'database-failed', during: 'blocked', error })
    }
    this.#going.delete(nameOf(key))
    if (isMore) this.wake()
  }

  /** Whether to go on with this key at once. */
  async #publish(bucket: Bucket, key: Decided): Promise<boolean> {
    const { clock, database, forward } = this.#options
    const rows = await readRun(database, key, ROWS_PER_RUN)
    const safeMs = bucket.safeFor(clock.monotonic())
    if (safeMs <= 0 || rows.length === 0) return false
    const { published, failure } = await forward(rows, safeMs)
    const dead = failure?.isFinal === true ? failure.reason : undefined
    if (published.length === 0 && dead === undefined) return false
    return this.#advance(
      bucket,
      key,
      published.map(row => row.position),
      dead,
    )
  }

  async #advance(bucket: Bucket, key: Decided, done: readonly number[], dead?: string): Promise<boolean> {
    const { database, owner, observe, refused, changed } = this.#options
    const outcome = await advanceKey(database, owner, { bucket, key, done, dead })
    if (outcome === 'blocked') return true
    if (outcome === undefined) refused([bucket])
    const order = orderOf(key)
    if (outcome === 'unblocked' && order !== undefined && !bucket.isClosed) {
      bucket.unblock(order)
      observe({ is: 'key-unblocked', topic: key.topic, bucket: bucket.number })
      changed()
    }
    return false
  }
}

function nameOf(key: Decided): string {
  return orderOf(key) ?? String(key.position)
}
