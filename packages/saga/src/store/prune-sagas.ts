import { type Sql, tablesOf } from '@mekong/postgres'

export interface PruneOptions {
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /** Of the last thing that happened in an instance, in milliseconds. Longer than any saga takes, and than the inbox remembers. */
  readonly olderThanMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Forgets instances that have been idle for long: what their steps remember, and their journal. Those with an armed timeout
 * stay. Resolves with how many went. For a timer of the application, in one process or in all of them.
 */
export async function pruneSagas(sql: Sql, { schema, olderThanMs, signal }: PruneOptions): Promise<number> {
  let pruned = 0
  for (let now = batch; now === batch && signal?.aborted !== true; pruned += now) {
    const [row] = await sql.query<{ pruned: number }>(pruneStatement(schema), [olderThanMs])
    now = row?.pruned ?? 0
  }
  return pruned
}

const batch = 500

function pruneStatement(schema: string | undefined): string {
  const table = tablesOf(schema)
  return `with old as (
    select saga, instance from ${table('saga_instance')} as i
    where last_at < clock_timestamp() - $1::float8 * interval '1 millisecond'
      and not exists (select from ${table('saga_timer')} as t where t.saga = i.saga and t.instance = i.instance)
    order by last_at limit ${batch} for update skip locked
  ), entries as (
    delete from ${table('saga_journal')} as j using old where j.saga = old.saga and j.instance = old.instance
  ), gone as (
    delete from ${table('saga_instance')} as i using old where i.saga = old.saga and i.instance = old.instance returning 1
  ) select count(*)::integer as pruned from gone`
}
