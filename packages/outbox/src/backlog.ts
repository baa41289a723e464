import type { Database } from './read.ts'

/** What the database says, for all relays together. */
export interface Backlog {
  /** Committed and neither delivered nor blocked. */
  readonly undelivered: number
  /** Milliseconds since the oldest of them was written; undefined without any. */
  readonly oldestMs: number | undefined
  readonly deadEvents: number
  /** Events that wait behind a dead one. */
  readonly waitingEvents: number
}

/** Walks everything in the outbox: for a dashboard every so often, not for a loop. */
export async function readBacklog({ query, table }: Database): Promise<Backlog> {
  const [line] = await query<Omit<Backlog, 'oldestMs'> & { oldestMs: number | null }>(
    `with undelivered as (
       select count(*)::float8 as undelivered,
         (extract(epoch from clock_timestamp() - min(created_at)) * 1000)::float8 as oldest
       from ${table('outbox')} as o where not exists (
         select from ${table('outbox_delivered')} as d where d.position = o.position and d.leaf = o.leaf)
     ), blocked as (
       select count(*) filter (where state = 'dead')::float8 as dead,
         count(*) filter (where state <> 'dead')::float8 as waiting
       from ${table('outbox_blocked')}
     ) select undelivered, oldest as "oldestMs", dead as "deadEvents", waiting as "waitingEvents" from undelivered, blocked`,
  )
  return { ...line!, oldestMs: line!.oldestMs ?? undefined }
}

/** Whether nothing that is committed by now waits for a relay. */
export async function isAllDelivered({ query, table }: Database): Promise<boolean> {
  const [line] = await query<{ is_left: boolean }>(
    `select exists (
       select from ${table('outbox')} as o where not exists (
         select from ${table('outbox_delivered')} as d where d.position = o.position and d.leaf = o.leaf)
     ) or exists (select from ${table('outbox_blocked')} where state in ('due', 'discarded')) as is_left`,
  )
  return !line!.is_left
}
