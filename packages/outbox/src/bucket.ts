import { orderOf, type OutboxRow } from './outbox-row.ts'

/** The rows of one key that are in hand, in order. A row without a key has a lane of its own. */
export interface Lane {
  /** Undefined without a key. */
  readonly order: string | undefined
  readonly bucket: Bucket
  rows: OutboxRow[]
  /** Rows from the first on that are with the broker. No others of the lane are sent before their answer. */
  inFlight: number
  /** Answers in a row that were no success: it waits for its next try. */
  failures: number
  /** Its rows go to the blocked table instead of the broker. */
  isBlocked: boolean
  /** Why the first row is dead, until it is moved. */
  reason: string | undefined
}

/** The permission to work on a bucket. */
export interface Tenure {
  readonly fence: number
  /** By the monotonic clock: nothing may be started after it. Moves on with every prolongation. */
  readonly safeUntil: () => number
}

/**
 * What a relay has in hand of a bucket that it owns. Another object each time the bucket is taken over, so that a late
 * answer finds itself at one that is closed.
 */
export class Bucket {
  readonly number: number
  /** Lanes that may be sent now. */
  readonly ready: Set<Lane> = new Set()
  /** Keys with rows in the blocked table. */
  readonly blocked: Set<string> = new Set()
  /** Rows that are read and not yet marked or moved, and their bodies. */
  rows = 0
  bytes = 0
  readonly #tenure: Tenure
  readonly #lanes = new Map<string | number, Lane>()
  /** Positions of rows that are with the broker, or published and not yet marked. */
  readonly #unsettled = new Set<number>()
  /** What was unsettled when reading began anew: it comes again, and is being taken care of. */
  #known: ReadonlySet<number> = new Set()
  #state: 'open' | 'draining' | 'closed' = 'open'
  #onDrained: (() => void)[] = []

  constructor(number: number, tenure: Tenure) {
    this.number = number
    this.#tenure = tenure
  }

  get fence(): number {
    return this.#tenure.fence
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.values()
  }

  /** Milliseconds within which whatever is started now has to end. Not positive: nothing may be started. */
  safeFor(now: number): number {
    return this.#state === 'open' ? this.#tenure.safeUntil() - now : 0
  }

  /** Takes a row in hand, behind those of its key. Undefined: it is there already. */
  add(row: OutboxRow): Lane | undefined {
    if (this.#known.has(row.position)) return undefined
    this.rows++
    this.bytes += row.bytes
    const lane = this.#laneFor(row)
    lane.rows.push(row)
    this.offer(lane)
    return lane
  }

  /** Lets a lane be sent if nothing stands against it. */
  offer(lane: Lane): void {
    const isFree = lane.inFlight === 0 && lane.failures === 0 && !lane.isBlocked
    if (isFree && lane.rows.length > 0 && this.isOpen) this.ready.add(lane)
  }

  /** The first rows of a lane go to the broker. */
  takeOff(lane: Lane, count: number): readonly OutboxRow[] {
    const rows = lane.rows.slice(0, count)
    this.ready.delete(lane)
    lane.inFlight = rows.length
    for (const row of rows) this.#unsettled.add(row.position)
    return rows
  }

  /** The broker answered for all that is in flight: these it has, the others are to be tried again or moved. */
  land(lane: Lane, published: readonly OutboxRow[]): void {
    const done = new Set(published)
    for (const row of lane.rows.slice(0, lane.inFlight)) if (!done.has(row)) this.#unsettled.delete(row.position)
    lane.inFlight = 0
    lane.rows = lane.rows.filter(row => !done.has(row))
    if (lane.rows.length === 0 && published[0] !== undefined) this.#forget(lane, published[0])
    this.#checkDrained()
  }

  /**
   * The pause after a failure is over. The failures are counted on, so that the next pause is longer; a lane that reading
   * anew has replaced meanwhile is left alone.
   */
  retry(lane: Lane): void {
    const first = lane.rows[0]
    if (!this.isOpen || first === undefined || lane.inFlight > 0 || lane.isBlocked) return
    if (this.#lanes.get(lane.order ?? first.position) === lane) this.ready.add(lane)
  }

  /** Published and marked: it is in hand no more. */
  settle(row: OutboxRow): void {
    if (this.isClosed) return
    this.#unsettled.delete(row.position)
    this.rows--
    this.bytes -= row.bytes
    this.#checkDrained()
  }

  /** Moved to the blocked table: the first row of its lane is in hand no more. */
  drop(lane: Lane, row: OutboxRow): void {
    if (lane.rows[0] !== row) return
    lane.rows.shift()
    lane.reason = undefined
    this.rows--
    this.bytes -= row.bytes
    if (lane.rows.length === 0) this.#forget(lane, row)
  }

  /** The blocked table has nothing more of this key. */
  unblock(order: string): void {
    this.blocked.delete(order)
    const lane = this.#lanes.get(order)
    if (lane === undefined) return
    lane.isBlocked = false
    this.offer(lane)
  }

  /** Work on the blocked table, which a drain has to wait for as well. */
  holdOpen(position: number): Disposable {
    this.#unsettled.add(position)
    return {
      [Symbol.dispose]: () => {
        this.#unsettled.delete(position)
        this.#checkDrained()
      },
    }
  }

  /** Everything is going to be read again: lets go of all that nobody is working on. */
  startAnew(): void {
    this.ready.clear()
    for (const [name, lane] of this.#lanes) {
      for (const row of lane.rows.splice(lane.inFlight)) {
        this.rows--
        this.bytes -= row.bytes
      }
      if (lane.rows.length === 0) this.#lanes.delete(name)
    }
    this.#known = new Set(this.#unsettled)
  }

  /** Starts nothing more; resolves when all that was started is answered and marked, or the bucket is closed. */
  drain(): Promise<void> {
    if (this.isOpen) this.#state = 'draining'
    this.ready.clear()
    return new Promise(resolve => {
      this.#onDrained.push(resolve)
      this.#checkDrained()
    })
  }

  /** Somebody else has it: whatever comes in late is nobody's business any more. */
  close(): void {
    this.#state = 'closed'
    this.ready.clear()
    this.#lanes.clear()
    this.#unsettled.clear()
    this.rows = 0
    this.bytes = 0
    this.#checkDrained()
  }

  #laneFor(row: OutboxRow): Lane {
    const order = orderOf(row.event)
    const name = order ?? row.position
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      const isBlocked = order !== undefined && this.blocked.has(order)
      lane = { order, bucket: this, rows: [], inFlight: 0, failures: 0, isBlocked, reason: undefined }
      this.#lanes.set(name, lane)
    }
    return lane
  }

  #forget(lane: Lane, row: OutboxRow): void {
    const name = lane.order ?? row.position
    if (this.#lanes.get(name) === lane) this.#lanes.delete(name)
  }

  #checkDrained(): void {
    if (this.isOpen || this.#unsettled.size > 0) return
    for (const resolve of this.#onDrained.splice(0)) resolve()
  }
}
