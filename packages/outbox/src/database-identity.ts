import type { Sql, TableName } from '@mekong/postgres'
import { MekongError } from '@mekong/core'
import type { RelayObserver } from './relay-signal.ts'

/** What a relay has to know of its database before it reads. */
export interface DatabaseIdentity {
  /** When the server was started: snapshots are good as long as it stays the same. */
  readonly server: string
  readonly leaves: number
  readonly buckets: number
}

/**
 * Learns which server this is. Where the tables were brought here from another one (dump and restore, logical copies), the
 * transaction ids in them are another server's: they are replaced by one that every snapshot sees. Rows of transactions
 * that are open meanwhile have ids of this server and keep them.
 * @throws MekongError INVALID_CONFIGURATION where the migrations are missing
 */
export async function identifyDatabase(sql: Sql, table: TableName, observe: RelayObserver): Promise<DatabaseIdentity> {
  const [found] = await sql.query<DatabaseIdentity & { system: string; known: string }>(
    `select extract(epoch from pg_postmaster_start_time())::text as server, leaves, buckets,
       (select system_identifier::text from pg_control_system()) as system, system_identifier as known
     from ${table('outbox_ring')}`,
  )
  if (found === undefined) {
    throw new MekongError('INVALID_CONFIGURATION', `${table('outbox_ring')} is empty: run the migrations of the outbox`)
  }
  if (found.system !== found.known) await renumberTransactions(sql, table, found.system, observe)
  return found
}

/** Older than every transaction: what Postgres gives to rows that it has frozen. */
const SEEN_BY_ALL = '3'

async function renumberTransactions(sql: Sql, table: TableName, system: string, observe: RelayObserver): Promise<void> {
  const rows = await sql.transaction(async tx => {
    const [ring] = await tx.query<{ known: string }>(
      `select system_identifier as known from ${table('outbox_ring')} for update`,
    )
    if (ring?.known === system) return 0
    const [renumbered] = await tx.query<{ rows: number }>(
      `with renumbered as (update ${table('outbox')} set xid = '${SEEN_BY_ALL}'::xid8 returning 1)
       select count(*)::int as rows from renumbered`,
    )
    await tx.query(`update ${table('outbox_ring')} set system_identifier = $1::text`, [system])
    return renumbered?.rows ?? 0
  })
  observe({ is: 'transactions-renumbered', rows })
}
