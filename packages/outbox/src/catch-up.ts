import type { OutboxRow } from './outbox-row.ts'
import {
  arrayText,
  type Database,
  type HeadColumns,
  type ReadHead,
  type ReadLimit,
  type RowColumns,
  rowColumns,
  rowsOf,
} from './read.ts'
import { type SeenSnapshots, type SnapshotText, snapshotsByBucket } from './snapshot.ts'

/** A set of rows that does not change any more, read page by page: what `until` sees and `seen` does not. */
export interface Stretch {
  readonly buckets: readonly number[]
  /** Buckets without a snapshot have seen nothing: theirs is the full anti-join. */
  readonly seen: SeenSnapshots
  /** Undefined before the first page, which makes it. */
  readonly until: SnapshotText | undefined
  /** Positions up to here are read. */
  readonly cursor: number
}

export interface Page extends ReadHead {
  readonly rows: readonly OutboxRow[]
  readonly cursor: number
  readonly isLast: boolean
}

/** Rows walked over for one page, whoever's they are: after a takeover most of them are delivered. */
const ROWS_PER_PAGE = 5_000

/**
 * The next undelivered rows of a stretch, in order. Order by position is the right one only because the set is fixed: a row
 * that became visible between two pages might precede one that was handed out already.
 */
export async function readPage(database: Database, stretch: Stretch, limit: ReadLimit): Promise<Page> {
  const { buckets, seen, until, cursor } = stretch
  const lines = await database.query<PageColumns>(pageStatement(database), [
    arrayText(buckets),
    cursor,
    until ?? null,
    snapshotsByBucket(seen),
    limit.rows,
    limit.bytes,
  ])
  const { snapshot, server, walked, last, found } = lines[0]!
  const rows = rowsOf(lines)
  const wasCut = found === limit.rows || rows.length < found
  return {
    snapshot: snapshot!,
    server,
    rows,
    cursor: (wasCut ? rows.at(-1)?.position : last) ?? cursor,
    isLast: !wasCut && walked < ROWS_PER_PAGE,
  }
}

interface PageColumns extends RowColumns, HeadColumns {
  readonly walked: number
  readonly last: number | null
  readonly found: number
}

// One walk along the primary key with a look-up for each row. OFFSET 0, and no condition but the position where the walk is
// limited, keep the planner from anything else: as a join, every page would read and sort all that is left.
const pageStatement = ({ table }: Database): string => `
with walk as materialized (
  select position, leaf, bucket, xid from ${table('outbox')}
  where position > $2::float8::bigint order by position limit ${ROWS_PER_PAGE}
), undelivered as materialized (
  select position, leaf from walk as w
  where bucket = any($1::text::smallint[])
    and ($3::text::pg_snapshot is null or pg_visible_in_snapshot(xid, $3::text::pg_snapshot))
    and (($4::text::pg_snapshot[])[bucket + 1] is null
      or not pg_visible_in_snapshot(xid, ($4::text::pg_snapshot[])[bucket + 1]))
    and not exists (
      select from ${table('outbox_delivered')} as d where d.position = w.position and d.leaf = w.leaf offset 0)
  order by position limit $5::int
), page as (
  select o.*, sum(octet_length(o.payload)) over (order by o.position rows unbounded preceding) as bytes
  from undelivered as u cross join lateral (
    select * from ${table('outbox')} as o where o.position = u.position and o.leaf = u.leaf limit 1) as o
), head as (
  select (select count(*)::int from walk) as walked, (select max(position)::float8 from walk) as last,
    (select count(*)::int from undelivered) as found, (select min(position) from undelivered) as first
)
select case when o.position is null or o.position = head.first then pg_current_snapshot()::text end as snapshot,
  extract(epoch from pg_postmaster_start_time())::text as server,
  head.walked, head.last, head.found, o.*
from head left join (
  select ${rowColumns} from page where bytes - octet_length(payload) <= $6::float8) as o on true
order by o.position`
