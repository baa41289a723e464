import type { LeasedEvent, PreparedEvent, ScheduleStore } from '@mekong/core/driver'
import { digest } from './digest.ts'
import type { Migration } from './migration.ts'
import { tablesOf } from './sql-name.ts'
import { milliseconds, timestamp } from './sql-time.ts'
import type { Sql } from './sql.ts'

export interface PostgresScheduleOptions {
  readonly sql: Sql
  /** @default 'mekong' */
  readonly schema?: string | undefined
}

export const scheduleMigrations: readonly Migration[] = [
  {
    name: 'postgres-003-schedule',
    statements: table => [
      `create table if not exists ${table('scheduled_event')} (
  event uuid primary key,
  id bigint generated always as identity,
  due_at timestamptz not null,
  message json not null,
  body bytea not null,
  owner text,
  fence bigint not null default 0,
  leased_until timestamptz
)`,
      `create index if not exists scheduled_event_due on ${table('scheduled_event')} (due_at, id)`,
      `create index if not exists scheduled_event_leased on ${table('scheduled_event')} (leased_until)
  where leased_until is not null`,
    ],
  },
]

/** The schedule in one table. Events are due, and leases expire, by the clock of the database. */
export function postgresSchedule({ sql, schema }: PostgresScheduleOptions): ScheduleStore {
  const scheduled = tablesOf(schema)('scheduled_event')
  return {
    durable: true,

    async add(events) {
      if (events.length === 0) return
      const rows = events.map(({ event: { body, ...message }, dueAt }, place) => ({
        place,
        event: digest(message.id),
        due_ms: dueAt,
        // As text: json_to_recordset reads the escapes of strings, and cannot make text of a NUL.
        message: JSON.stringify(message),
        body: Buffer.from(body).toString('base64'),
      }))
      await sql.query(
        `insert into ${scheduled} (event, due_at, message, body)
          select event, ${timestamp('due_ms')}, message::json, decode(body, 'base64')
          from json_to_recordset($1::text::json) as new (place int, event uuid, due_ms float8, message text, body text)
          order by place on conflict do nothing`,
        [JSON.stringify(rows)],
      )
    },

    async leaseDue({ owner, leaseMs, limit }) {
      const rows = await sql.query<ScheduledRow>(
        `with due as (
          select event from ${scheduled} where due_at <= now() and (leased_until is null or leased_until <= now())
          order by due_at, id limit $1::int for update skip locked
        ), leased as (
          update ${scheduled} as s set owner = $2::text, fence = s.fence + 1,
            leased_until = now() + $3::float8 * interval '1 ms'
          from due where s.event = due.event returning s.*
        ) select ${milliseconds('due_at')} as due_ms, message, body, fence::float8 as fence from leased order by due_at, id`,
        [limit, owner, leaseMs],
      )
      return rows.map((row): LeasedEvent => {
        const { key, ...message } = row.message
        return { event: { ...message, key, body: row.body }, dueAt: row.due_ms, owner, fence: row.fence }
      })
    },

    async delete(events) {
      if (events.length === 0) return
      const rows = events.map(({ event, owner, fence }) => ({ event: digest(event.id), owner, fence }))
      await sql.query(
        `delete from ${scheduled} as s
          using json_to_recordset($1::text::json) as sent (event uuid, owner text, fence bigint)
          where s.event = sent.event and s.owner = sent.owner and s.fence = sent.fence`,
        [JSON.stringify(rows)],
      )
    },

    async nextDueAt() {
      const [row] = await sql.query<{ due_ms: number | null }>(
        `select ${milliseconds(`least(
            (select due_at from ${scheduled} where leased_until is null order by due_at, id limit 1),
            (select min(leased_until) from ${scheduled} where leased_until is not null)
          )`)} as due_ms`,
      )
      return row?.due_ms ?? undefined
    },
  }
}

interface ScheduledRow {
  readonly due_ms: number
  readonly message: Omit<PreparedEvent, 'body'>
  readonly body: Uint8Array
  readonly fence: number
}
