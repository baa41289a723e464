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
import type { OutboxRow } from './outbox-row.ts'
import { type SeenSnapshots, snapshotsByBucket, unseenByAny } from './snapshot.ts'

export interface Arrivals extends ReadHead {
  /** In order. Undefined: more than the limit arrived, and nothing was fetched. */
  readonly rows: readonly OutboxRow[] | undefined
}

/**
 * What became visible to these buckets since the snapshot of each. A row is found by the id of its transaction, so that it
 * does not matter when its own id was drawn, nor how long a transaction elsewhere has been open.
 */
export async function readArrivals(database: Database, seen: SeenSnapshots, limit: ReadLimit): Promise<Arrivals> {
  const unseen = unseenByAny(seen.values())
  const lines = await database.query<RowColumns & HeadColumns & { count: number; total_bytes: number }>(
    arrivalsStatement(database),
    [unseen.from, arrayText(unseen.running), arrayText(seen.keys()), snapshotsByBucket(seen), limit.rows, limit.bytes],
  )
  const { snapshot, server, count, total_bytes } = lines[0]!
  const overflowed = count > limit.rows || total_bytes > limit.bytes
  return { snapshot: snapshot!, server, rows: overflowed ? undefined : rowsOf(lines) }
}

/** Where the rows begin that are unseen: reading page by page starts there. Undefined when there is none. */
export async function firstUnseen({ query, table }: Database, seen: SeenSnapshots): Promise<number | undefined> {
  const unseen = unseenByAny(seen.values())
  const [line] = await query<{ first: number | null }>(
    `select min(position)::float8 as first from ${table('outbox')}
     where (xid >= $1::text::xid8 or xid = any($2::text::xid8[])) and bucket = any($3::text::smallint[])`,
    [unseen.from, arrayText(unseen.running), arrayText(seen.keys())],
  )
  return line?.first ?? undefined
}

// Ordered and limited scans leave the planner no choice but the index on xid, whatever it believes of tables that are
// truncated and filled again all the time. The rows and the snapshot that saw them come from one statement.
const arrivalsStatement = ({ table }: Database): string => `
with arrived as materialized (
  select o.* from (
    (select * from ${table('outbox')}
      where xid >= $1::text::xid8 and bucket = any($3::text::smallint[]) order by xid limit $5::int + 1)
    union all
    (select late.* from unnest($2::text::xid8[]) as running (id) cross join lateral (
      select * from ${table('outbox')}
      where xid = running.id and bucket = any($3::text::smallint[]) order by xid limit $5::int + 1) as late)
  ) as o
  where not pg_visible_in_snapshot(o.xid, ($4::text::pg_snapshot[])[o.bucket + 1])
), head as (
  select count(*)::int as count, coalesce(sum(octet_length(payload)), 0)::float8 as total_bytes, min(position) as first
  from arrived
)
select case when o.position is null or o.position = head.first then pg_current_snapshot()::text end as snapshot,
  extract(epoch from pg_postmaster_start_time())::text as server, head.count, head.total_bytes, o.*
from head left join (select ${rowColumns} from arrived) as o
  on head.count <= $5::int and head.total_bytes <= $6::float8
order by o.position`
