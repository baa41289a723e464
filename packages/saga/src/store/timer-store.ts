import { type Query, tablesOf } from '@mekong/postgres'
import type { InstanceId } from './instance-store.ts'

/** A timeout whose time has come. */
export interface DueTimer {
  readonly id: InstanceId
  readonly step: string
}

/** What is known of a timer to whoever holds its instance's lock. */
export interface ArmedTimer {
  readonly correlationId: string
  readonly causationId: string
  /** How often it was tried in vain. */
  readonly attempts: number
}

export interface TimerStore {
  /** Those that are due, by the clock of the database, oldest first. Takes no lock: whoever fires one looks again. */
  due(
    query: Query,
    of: { readonly saga: string; readonly steps: readonly string[]; readonly limit: number },
  ): Promise<readonly DueTimer[]>
  /** Undefined: not due any more. To be called under the lock of the instance. */
  find(query: Query, timer: DueTimer): Promise<ArmedTimer | undefined>
  /** Tries again later: after a second, doubled each time, at most ten minutes. */
  postpone(query: Query, timer: DueTimer): Promise<void>
}

export function timerStore(schema: string | undefined): TimerStore {
  const timers = tablesOf(schema)('saga_timer')
  const isTimer = 'saga = $1::text and instance = $2::text and step = $3::text'
  return {
    async due(query, { saga, steps, limit }) {
      const rows = await query<{ instance: string; step: string }>(
        `select instance, step from ${timers}
        where due_at <= clock_timestamp() and saga = $1::text and step = any($2::text[]) order by due_at limit $3::integer`,
        [saga, steps, limit],
      )
      return rows.map(({ instance, step }) => ({ id: { saga, instance }, step }))
    },
    async find(query, { id, step }) {
      const [row] = await query<{ correlation_id: string; causation_id: string; attempts: number }>(
        `select correlation_id, causation_id, attempts from ${timers} where ${isTimer} and due_at <= clock_timestamp()`,
        [id.saga, id.instance, step],
      )
      if (row === undefined) return undefined
      return { correlationId: row.correlation_id, causationId: row.causation_id, attempts: row.attempts }
    },
    async postpone(query, { id, step }) {
      await query(
        `update ${timers} set attempts = attempts + 1,
          due_at = clock_timestamp() + least(power(2, least(attempts, 20)), 600) * interval '1 second'
        where ${isTimer} and due_at <= clock_timestamp()`,
        [id.saga, id.instance, step],
      )
    },
  }
}
