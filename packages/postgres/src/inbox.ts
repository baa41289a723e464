import { type HandlerContext, MekongError } from '@mekong/core'
import { digest } from './digest.ts'
import type { Migration } from './migration.ts'
import { hasSqlState, sqlFailure } from './sql-failure.ts'
import { tablesOf } from './sql-name.ts'
import type { Sql, Statement, Transaction } from './sql.ts'

export interface PostgresInboxOptions {
  readonly sql: Sql
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /**
   * How long a stopped process may keep its transaction, and with it the record and whatever else it has locked: Postgres
   * ends it after this long without a statement. A handler that waits longer for something else loses its transaction.
   * At most the lease of the idempotency store, so that whoever takes an event over finds it free.
   * @default 20000
   */
  readonly idleTimeoutMs?: number | undefined
  /**
   * How long a statement of the transaction waits for a lock before the delivery is BUSY: not a failed attempt, tried again.
   * @default 1000
   */
  readonly lockTimeoutMs?: number | undefined
  /**
   * How long a record is kept at least: an event that comes again later than that is handled again. At least the retention of
   * the broker and the longest delay.
   * @default 604800000 (7 days)
   */
  readonly retentionMs?: number | undefined
}

/** Remembers in the database of the effect what was handled: effect and record commit together or not at all. */
export interface PostgresInbox {
  /**
   * A handler that runs in a transaction and records its event in it. An event whose record is there is marked as a
   * duplicate, and nothing is done. A handler may run twice for one event (when its transaction is rolled back, or the
   * answer to COMMIT is lost); its effect through `tx` is there once, within the retention.
   *
   * Rolls back when `work` rejects, and when the attempt was aborted before COMMIT. Rejects with BUSY while another
   * transaction holds the record of this event, or a lock that `work` needs, beyond `lockTimeoutMs`.
   */
  handler<Event, Context extends InboxContext>(
    work: (event: Event, context: Context, tx: Transaction) => unknown,
  ): (event: Event, context: Context) => Promise<void>
  /**
   * Deletes what is past its retention, 1,000 records a statement; resolves with how many. To be called by a timer of the
   * application, some times a day, in one process or in all of them.
   */
  purge(options?: { readonly signal?: AbortSignal | undefined }): Promise<number>
}

export type InboxContext = Pick<HandlerContext, 'identity' | 'signal' | 'markDuplicate'>

// Records are found by their key only and deleted oldest first, so that dead rows cost space until the next vacuum and
// never slow a claim down. Partitions to truncate would need a look into each of them at every claim.
export const inboxMigrations: readonly Migration[] = [
  {
    name: 'postgres-001-inbox',
    statements: table => [
      `create table if not exists ${table('inbox')} (
  id uuid primary key,
  handled_at timestamptz not null default now()
)`,
      `create index if not exists inbox_handled_at on ${table('inbox')} (handled_at)`,
    ],
  },
]

const PURGE_BATCH = 1000

export function postgresInbox(options: PostgresInboxOptions): PostgresInbox {
  const { sql, schema, idleTimeoutMs = 20_000, lockTimeoutMs = 1_000, retentionMs = 604_800_000 } = options
  for (const [name, ms] of Object.entries({ idleTimeoutMs, lockTimeoutMs, retentionMs })) {
    if (!(ms > 0)) throw new MekongError('INVALID_CONFIGURATION', `postgresInbox: ${name} is above 0; got ${ms}`)
  }
  const inbox = tablesOf(schema)('inbox')
  const claim = ({ scope, event }: InboxContext['identity']): Statement => ({
    text: `insert into ${inbox} (id) values ($1) on conflict do nothing returning 1 as claimed`,
    parameters: [digest(scope, event)],
  })
  return {
    handler: work => async (event, context) => {
      context.signal.throwIfAborted()
      const isNew = await sql.transaction(
        async (tx, [claimed]) => {
          if (claimed?.length !== 1) return false
          await runWork(() => work(event, context, tx))
          context.signal.throwIfAborted()
          return true
        },
        { lockTimeoutMs, idleTimeoutMs, begin: [claim(context.identity)] },
      )
      if (!isNew) context.markDuplicate()
    },
    async purge({ signal } = {}) {
      let purged = 0
      for (let deleted = PURGE_BATCH; deleted === PURGE_BATCH && signal?.aborted !== true; purged += deleted) {
        deleted = await purgeBatch(sql, inbox, retentionMs)
      }
      return purged
    },
  }
}

// Statements of the application's own library fail with that library's errors, which hold row values.
async function runWork(work: () => unknown): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw hasSqlState(error) ? sqlFailure(error) : error
  }
}

async function purgeBatch(sql: Sql, inbox: string, retentionMs: number): Promise<number> {
  const [row] = await sql.query<{ deleted: number }>(
    `with deleted as (
      delete from ${inbox} where id in (
        select id from ${inbox} where handled_at < now() - $1::float8 * interval '1 ms'
        order by handled_at limit ${PURGE_BATCH} for update skip locked
      ) returning 1
    ) select count(*)::int as deleted from deleted`,
    [retentionMs],
  )
  return row?.deleted ?? 0
}
