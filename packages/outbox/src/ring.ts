import { type Clock, isMekongError } from '@mekong/core'
import type { Sql, TableName } from '@mekong/postgres'
import type { RelayObserver } from './relay-signal.ts'
import { type SnapshotText, unseenByAny } from './snapshot.ts'
import { arrayText } from './read.ts'

export interface RingOptions {
  readonly sql: Sql
  readonly table: TableName
  readonly leaves: number
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly tuning: RingTuning
}

export interface RingTuning {
  /** How often the ring is looked at. @default 5,000 */
  readonly ringPollMs: number
  /** A leaf with rows is written for so long. @default 60,000 */
  readonly rotateAfterMs: number
  /** Or until it is so large. @default 67,108,864 */
  readonly rotateAfterBytes: number
}

/** The leaves that the outbox is written to in turn. Any relay may turn it at any time; two at once do no harm. */
export interface Ring {
  /** Empties the leaves whose rows are all delivered, then has another one written if this one has had its time. */
  turn(): Promise<void>
}

/** A reader of the outbox behind which this one queues makes others queue behind it: never for longer. */
const LOCK_TIMEOUT_MS = 50
const MAX_PAUSE_MS = 60_000

export function createRing(options: RingOptions): Ring {
  const { sql, table, leaves, clock, observe, tuning } = options
  /** Leaves that could not be emptied are left alone for a while, longer each time. */
  const pauses = new Map<number, { readonly until: number; readonly ms: number }>()

  const empty = async (leaf: number): Promise<void> => {
    const pause = pauses.get(leaf)
    if (pause !== undefined && clock.monotonic() < pause.until) return
    const outcome = await truncateLeaf(sql, table, leaf)
    if (outcome === 'truncated') {
      pauses.delete(leaf)
      observe({ is: 'leaf-truncated', leaf })
      return
    }
    if (outcome === 'locked') observe({ is: 'leaf-locked', leaf })
    const ms = Math.min(MAX_PAUSE_MS, (pause?.ms ?? tuning.ringPollMs / 2) * 2)
    pauses.set(leaf, { until: clock.monotonic() + ms, ms })
  }

  return {
    async turn() {
      const { number, written, ageMs, bytes } = await readRing(sql, table, leaves)
      for (const [leaf, size] of bytes.entries()) if (leaf !== written && size > 0) await empty(leaf)
      const isDue = ageMs >= tuning.rotateAfterMs || bytes[written]! >= tuning.rotateAfterBytes
      if (bytes[written] === 0 || !isDue) return
      const next = emptyLeafAfter(written, await leafSizes(sql, table, leaves))
      if (next !== undefined && (await rotate(sql, table, { number, next }))) {
        observe({ is: 'leaf-rotated', from: written, to: next })
      }
    },
  }
}

interface RingState {
  readonly number: number
  readonly written: number
  readonly ageMs: number
  /** By leaf. */
  readonly bytes: readonly number[]
}

async function readRing(sql: Sql, table: TableName, leaves: number): Promise<RingState> {
  const [rotation] = await sql.query<{ number: number; leaf: number; age_ms: number }>(
    `select number::float8 as number, leaf::int as leaf,
       (extract(epoch from clock_timestamp() - rotated_at) * 1000)::float8 as age_ms
     from ${table('outbox_rotation')} order by number desc limit 1`,
  )
  const { number, leaf, age_ms } = rotation!
  return { number, written: leaf, ageMs: age_ms, bytes: await leafSizes(sql, table, leaves) }
}

/** In bytes. More than zero as soon as anything was written, committed or not. */
async function leafSizes(sql: Sql, table: TableName, leaves: number): Promise<readonly number[]> {
  const names = Array.from({ length: leaves }, (_, leaf) => table(`outbox_${leaf}`))
  const sizes = await sql.query<{ bytes: number }>(
    `select pg_relation_size(name::regclass)::float8 as bytes
     from json_array_elements_text($1::text::json) with ordinality as leaf (name, number) order by number`,
    [JSON.stringify(names)],
  )
  return sizes.map(({ bytes }) => bytes)
}

/** The next in the round; one that cannot be emptied is passed over. */
function emptyLeafAfter(written: number, bytes: readonly number[]): number | undefined {
  for (let step = 1; step < bytes.length; step++) {
    const leaf = (written + step) % bytes.length
    if (bytes[leaf] === 0) return leaf
  }
  return undefined
}

/** Whether it was us: the number makes one of two relays lose. */
async function rotate(
  sql: Sql,
  table: TableName,
  turn: { readonly number: number; readonly next: number },
): Promise<boolean> {
  const inserted = await sql.query(
    `with old as (delete from ${table('outbox_rotation')} where number < $1::float8::bigint - 16)
     insert into ${table('outbox_rotation')} (number, leaf) values ($1::float8::bigint + 1, $2::int)
     on conflict do nothing returning leaf::int as leaf`,
    [turn.number, turn.next],
  )
  return inserted.length > 0
}

/**
 * A leaf is closed for every transaction while this one has it locked: whoever has written to it holds a lock until it
 * ends, so that all rows there will be are there, and a straggler that still believes in an old rotation waits, and writes
 * behind the TRUNCATE, where its row is found like any other. That is why no transaction elsewhere can hold this up.
 *
 * The long look for undelivered rows is taken before, without the lock; under it only for what that look did not see.
 */
async function truncateLeaf(sql: Sql, table: TableName, leaf: number): Promise<'truncated' | 'undelivered' | 'locked'> {
  const rows = table(`outbox_${leaf}`)
  const marks = table(`outbox_delivered_${leaf}`)
  const [look] = await sql.query<{ snapshot: SnapshotText; is_undelivered: boolean }>(
    `select pg_current_snapshot()::text as snapshot, exists (
       select from ${rows} as o where not exists (select from ${marks} as d where d.position = o.position)
     ) as is_undelivered`,
  )
  if (look!.is_undelivered) return 'undelivered'
  const unseen = unseenByAny([look!.snapshot])
  try {
    return await sql.transaction(
      async tx => {
        await tx.query(`lock table ${rows}, ${marks} in access exclusive mode`)
        const [late] = await tx.query<{ is_there: boolean }>(
          `select exists (
             select from ${rows} where xid >= $1::text::xid8
             union all select from ${rows} where xid = any($2::text::xid8[])
           ) as is_there`,
          [unseen.from, arrayText(unseen.running)],
        )
        if (late!.is_there) return 'undelivered'
        await tx.query(`truncate ${rows}, ${marks}`)
        return 'truncated'
      },
      { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: 5_000, idleTimeoutMs: 5_000 },
    )
  } catch (error) {
    if (isMekongError(error) && error.code === 'BUSY') return 'locked'
    throw error
  }
}
