import { firstUnseen, readArrivals } from './arrivals.ts'
import { readPage, type Stretch } from './catch-up.ts'
import type { OutboxRow } from './outbox-row.ts'
import type { Database, ReadHead, ReadLimit } from './read.ts'
import type { SnapshotText } from './snapshot.ts'

/** Reads what is committed, each row once, in an order that respects cause and effect. One read at a time. */
export interface OutboxReader {
  /** Begins with everything that is undelivered: at a takeover, and when what was read before is in doubt. */
  follow(bucket: number): void
  forget(bucket: number): void
  /**
   * What is next, of all buckets that are followed; nothing when all is read.
   * @throws ServerChanged, and what the seam rejects with; then every bucket has to be followed anew
   */
  read(limit: ReadLimit): Promise<ReadRows>
}

export interface ReadRows {
  readonly rows: readonly OutboxRow[]
  /** Whether there is more that is known to be unread. */
  readonly isMore: boolean
}

/** The server was restarted or is another one: snapshots and transaction ids of before are void. */
export class ServerChanged extends Error {}

/** How far one bucket was read. An object of its own for each `follow`, so that a late answer finds out it is stale. */
interface Follower {
  readonly bucket: number
  /** Undefined: nothing yet. */
  seen: SnapshotText | undefined
}

/** Followers that read a fixed stretch together, page by page, before they take arrivals. */
interface CatchUp {
  readonly followers: Set<Follower>
  /** Whether others may still join: they may not once the first page was asked for. */
  hasBegun: boolean
  until: SnapshotText | undefined
  cursor: number
}

export function createOutboxReader(database: Database, server: string): OutboxReader {
  return new Reader(database, server)
}

class Reader implements OutboxReader {
  readonly #database: Database
  readonly #server: string
  readonly #followers = new Map<number, Follower>()
  readonly #catchUps = new Set<CatchUp>()
  #wasPage = false

  constructor(database: Database, server: string) {
    this.#database = database
    this.#server = server
  }

  follow(bucket: number): void {
    this.forget(bucket)
    const follower: Follower = { bucket, seen: undefined }
    this.#followers.set(bucket, follower)
    // Those that begin together walk the table together.
    for (const catchUp of this.#catchUps) if (!catchUp.hasBegun) return void catchUp.followers.add(follower)
    this.#catchUps.add({ followers: new Set([follower]), hasBegun: false, until: undefined, cursor: 0 })
  }

  forget(bucket: number): void {
    const follower = this.#followers.get(bucket)
    if (follower === undefined) return
    this.#followers.delete(bucket)
    for (const catchUp of this.#catchUps) {
      catchUp.followers.delete(follower)
      if (catchUp.followers.size === 0) this.#catchUps.delete(catchUp)
    }
  }

  async read(limit: ReadLimit): Promise<ReadRows> {
    const [catchUp] = this.#catchUps
    const arriving = this.#arriving()
    // In turns, so that a long way to catch up of one bucket does not keep the others waiting.
    this.#wasPage = catchUp !== undefined && (!this.#wasPage || arriving.length === 0)
    if (catchUp !== undefined && this.#wasPage) return this.#readPage(catchUp, limit)
    if (arriving.length > 0) return this.#readArrivals(arriving, limit)
    return { rows: [], isMore: false }
  }

  async #readPage(catchUp: CatchUp, limit: ReadLimit): Promise<ReadRows> {
    catchUp.hasBegun = true
    const followers = Array.from(catchUp.followers)
    const page = await readPage(this.#database, stretchOf(catchUp, followers), limit)
    this.#check(page)
    catchUp.until ??= page.snapshot
    catchUp.cursor = page.cursor
    if (page.isLast) {
      this.#catchUps.delete(catchUp)
      for (const follower of followers) follower.seen = catchUp.until
    }
    return { rows: this.#still(page.rows, followers), isMore: true }
  }

  async #readArrivals(followers: readonly Follower[], limit: ReadLimit): Promise<ReadRows> {
    const seen = new Map(followers.map(follower => [follower.bucket, follower.seen!]))
    const arrivals = await readArrivals(this.#database, seen, limit)
    this.#check(arrivals)
    const { rows } = arrivals
    if (rows !== undefined) {
      for (const follower of followers) follower.seen = arrivals.snapshot
      return { rows: this.#still(rows, followers), isMore: this.#catchUps.size > 0 }
    }
    const first = await firstUnseen(this.#database, seen)
    const present = followers.filter(follower => this.#followers.get(follower.bucket) === follower)
    if (present.length > 0) {
      const cursor = (first ?? 1) - 1
      this.#catchUps.add({ followers: new Set(present), hasBegun: true, until: arrivals.snapshot, cursor })
    }
    return { rows: [], isMore: true }
  }

  #arriving(): readonly Follower[] {
    const catchingUp = new Set(Array.from(this.#catchUps, catchUp => [...catchUp.followers]).flat())
    return Array.from(this.#followers.values()).filter(follower => !catchingUp.has(follower))
  }

  #check(head: ReadHead): void {
    if (head.server !== this.#server) throw new ServerChanged('The database server was restarted, or is another one')
  }

  /** Without those of buckets that were given up, or begun anew, while the answer was on its way. */
  #still(rows: readonly OutboxRow[], followers: readonly Follower[]): readonly OutboxRow[] {
    const current = new Set<number>()
    for (const follower of followers) {
      if (this.#followers.get(follower.bucket) === follower) current.add(follower.bucket)
    }
    return rows.filter(row => current.has(row.bucket))
  }
}

function stretchOf(catchUp: CatchUp, followers: readonly Follower[]): Stretch {
  const seen = new Map<number, SnapshotText>()
  for (const follower of followers) if (follower.seen !== undefined) seen.set(follower.bucket, follower.seen)
  return { buckets: followers.map(follower => follower.bucket), seen, until: catchUp.until, cursor: catchUp.cursor }
}
