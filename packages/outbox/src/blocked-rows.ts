import type { Bucket } from './bucket.ts'
import { fenceParameters, heldExpression, type Refused, refusedOf } from './fence.ts'
import { type EventColumns, eventColumns, eventOf, type OutboxRow } from './outbox-row.ts'
import { arrayText, type Database } from './read.ts'

/** A row that leaves the outbox for the blocked table: dead with a reason, or waiting behind a dead one. */
export interface Move {
  readonly bucket: Bucket
  readonly row: OutboxRow
  readonly reason: string | undefined
}

/** The first row of a blocked key, when a person has decided what becomes of it. */
export interface Decided {
  readonly state: 'due' | 'discarded'
  readonly position: number
  readonly bucket: number
  readonly topic: string
  /** Undefined: an event without a key, which nothing waits behind. */
  readonly key: string | undefined
}

/** The keys that are blocked. Every one of them has exactly one row that is not waiting: its first. */
export async function readBlockedKeys(
  { query, table }: Database,
  buckets: Iterable<number>,
): Promise<readonly BlockedKey[]> {
  return query<BlockedKey>(
    `select bucket::int as bucket, aggregatetype as topic, aggregateid as key from ${table('outbox_blocked')}
     where bucket = any($1::text::smallint[]) and state <> 'waiting' and aggregateid is not null`,
    [arrayText(buckets)],
  )
}

interface BlockedKey {
  readonly bucket: number
  readonly topic: string
  readonly key: string
}

/** Copies the rows and marks them in one step: a row is in one place, whatever dies between. Safe to run again. */
export async function moveRows(database: Database, owner: string, moves: readonly Move[]): Promise<Refused> {
  const { query, table } = database
  const buckets = Array.from(new Set(moves.map(({ bucket }) => bucket)))
  const held = await query<{ bucket: number }>(
    `with ${heldExpression(database)}, moving as (
      select move.position, move.leaf, move.reason, held.fence
      from json_to_recordset($4::text::json) as move (position bigint, leaf smallint, bucket smallint, reason text)
      join held on held.bucket = move.bucket
      where not exists (select from ${table('outbox_delivered')} as d where d.position = move.position and d.leaf = move.leaf)
    ), moved as (
      insert into ${table('outbox_blocked')}
        (position, bucket, id, aggregatetype, aggregateid, type, payload, headers, created_at, state, reason)
      select o.position, o.bucket, o.id, o.aggregatetype, o.aggregateid, o.type, o.payload, o.headers, o.created_at,
        case when moving.reason is null then 'waiting' else 'dead' end, moving.reason
      from moving join ${table('outbox')} as o on o.position = moving.position and o.leaf = moving.leaf
    ), marked as (
      insert into ${table('outbox_delivered')} (leaf, position, fence) select leaf, position, fence from moving
    ) select bucket::int as bucket from held`,
    [
      ...fenceParameters(owner, buckets),
      JSON.stringify(
        moves.map(({ row: { position, leaf, bucket }, reason = null }) => ({ position, leaf, bucket, reason })),
      ),
    ],
  )
  return refusedOf(buckets, held)
}

/** First rows of keys that may go on, oldest first. */
export async function readDecided(
  { query, table }: Database,
  buckets: Iterable<number>,
  limit: number,
): Promise<readonly Decided[]> {
  const lines = await query<Omit<Decided, 'key'> & { key: string | null }>(
    `select state, position::float8 as position, bucket::int as bucket, aggregatetype as topic, aggregateid as key
     from ${table('outbox_blocked')} where bucket = any($1::text::smallint[]) and state in ('due', 'discarded')
     order by position limit $2::int`,
    [arrayText(buckets), limit],
  )
  return lines.map(line => ({ ...line, key: line.key ?? undefined }))
}

/** The rows of a blocked key from its first on. */
export async function readRun(
  { query, table }: Database,
  first: Decided,
  limit: number,
): Promise<readonly OutboxRow[]> {
  const lines = await query<EventColumns & { position: number; bucket: number }>(
    `select position::float8 as position, bucket::int as bucket, ${eventColumns} from ${table('outbox_blocked')}
     where position = $1::float8::bigint or (aggregatetype = $2::text and aggregateid = $3::text and state = 'waiting')
     order by position limit $4::int`,
    [first.position, first.topic, first.key ?? null, limit],
  )
  return lines.map(line => ({
    position: line.position,
    leaf: -1,
    bucket: line.bucket,
    bytes: line.payload.byteLength,
    event: eventOf(line),
  }))
}

/**
 * Deletes what is published or given up, and says what the next row of the key is, which keeps the rule that exactly one
 * is not waiting. Undefined: the lease was lost, nothing was written.
 */
export async function advanceKey(
  database: Database,
  owner: string,
  step: {
    readonly bucket: Bucket
    readonly key: Decided
    readonly done: readonly number[]
    readonly dead?: string | undefined
  },
): Promise<'unblocked' | 'blocked' | undefined> {
  const { query, table } = database
  const { bucket, key, done, dead = null } = step
  const [line] = await query<{ is_held: boolean; is_blocked: boolean }>(
    `with ${heldExpression(database)}, gone as (
      delete from ${table('outbox_blocked')} where position = any($4::text::bigint[]) and exists (select from held)
    ), first as (
      select min(position) as position from ${table('outbox_blocked')}
      where (position = $8::float8::bigint or (aggregatetype = $5::text and aggregateid = $6::text))
        and position <> all($4::text::bigint[])
    ), said as (
      update ${table('outbox_blocked')} as b
      set state = case when b.position > first.position then 'waiting' when $7::text is null then 'due' else 'dead' end,
        reason = case when b.position > first.position then null else coalesce($7::text, b.reason) end
      from first
      where exists (select from held) and (b.position = first.position or (
        b.aggregatetype = $5::text and b.aggregateid = $6::text and b.state <> 'waiting' and b.position > first.position))
    ) select exists (select from held) as is_held, (select position from first) is not null as is_blocked`,
    [...fenceParameters(owner, [bucket]), arrayText(done), key.topic, key.key ?? null, dead, key.position],
  )
  if (line?.is_held !== true) return undefined
  return line.is_blocked ? 'blocked' : 'unblocked'
}
