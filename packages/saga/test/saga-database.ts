import type { Cause, PublishOptions } from '@mekong/core'
import {
  inboxMigrations,
  migrate,
  type Migration,
  postgresInbox,
  type PostgresInbox,
  type Sql,
  type Transaction,
} from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import { freshDatabase } from '@mekong/stack'
import pg from 'pg'
import { type SagaOutbox, sagaMigrations } from '../src/index.ts'

/** An event as the tests' outbox keeps it, and as their bus delivers it. */
export interface StoredEvent {
  readonly id: string
  readonly type: string
  readonly data: { readonly [name: string]: unknown }
  readonly correlationId: string
}

/** One service's database: its saga, inbox and outbox, and a table for what its handlers do. */
export interface SagaDatabase extends AsyncDisposable {
  readonly url: string
  readonly sql: Sql
  readonly inbox: PostgresInbox
  readonly outbox: SagaOutbox
  /** What the outbox has, in the order in which it was stored. */
  outgoing(): Promise<readonly StoredEvent[]>
  /** How many rows each table has. */
  counts(): Promise<Readonly<Record<'effect' | 'inbox' | 'instance' | 'journal' | 'timer' | 'outgoing', number>>>
}

const testTables: Migration = {
  name: 'test-001',
  statements: table => [
    `create table ${table('effect')} (step text not null, instance text not null)`,
    `create table ${table('outgoing')} (position serial, id text not null, type text not null, data json not null, correlation_id text not null)`,
  ],
}

export async function openSagaDatabase(serverUrl: string): Promise<SagaDatabase> {
  const database = await freshDatabase(serverUrl)
  const { sql, end } = openSql(database.url)
  await migrate(sql, [...inboxMigrations, ...sagaMigrations, testTables])
  return {
    url: database.url,
    sql,
    inbox: postgresInbox({ sql }),
    outbox: tableOutbox,
    outgoing: async () => {
      const rows = await sql.query<Omit<StoredEvent, 'correlationId'> & { correlation_id: string }>(
        'select id, type, data, correlation_id from mekong.outgoing order by position',
      )
      return rows.map(({ correlation_id: correlationId, ...event }) => ({ ...event, correlationId }))
    },
    counts: async () => {
      const [row] = await sql.query<Awaited<ReturnType<SagaDatabase['counts']>>>(
        `select (select count(*)::int from mekong.effect) as effect, (select count(*)::int from mekong.inbox) as inbox,
          (select count(*)::int from mekong.saga_instance) as instance, (select count(*)::int from mekong.saga_journal) as journal,
          (select count(*)::int from mekong.saga_timer) as timer, (select count(*)::int from mekong.outgoing) as outgoing`,
      )
      return row!
    },
    [Symbol.asyncDispose]: async () => {
      await end()
      await database.drop()
    },
  }
}

/** Another connection pool to the same database, as another process has one. */
export function openSql(url: string): { readonly sql: Sql; readonly end: () => Promise<void> } {
  const pool = new pg.Pool({ connectionString: url })
  return { sql: pgSql(pool), end: () => pool.end() }
}

/** The least that an outbox is. */
export const tableOutbox: SagaOutbox = {
  async publish(tx: Transaction, type: string, data: unknown, { cause }: PublishOptions & { readonly cause: Cause }) {
    await tx.query(
      `insert into mekong.outgoing (id, type, data, correlation_id) values ($1::text, $2::text, $3::text::json, $4::text)`,
      [cause.nextId(type, undefined), type, JSON.stringify(data), cause.correlationId],
    )
  },
}

/** What a handler of the tests does, so that one can see whether it was done. */
export async function effect(
  step: string,
  { tx, instance }: { readonly tx: Transaction; readonly instance: string },
): Promise<void> {
  await tx.query('insert into mekong.effect (step, instance) values ($1::text, $2::text)', [step, instance])
}
