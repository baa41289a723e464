import { MekongError } from '@mekong/core'
import { type Query, type Statement, tablesOf } from '@mekong/postgres'
import type { Action, StepState } from '../declare/step-state.ts'

export interface InstanceId {
  readonly saga: string
  readonly instance: string
}

/** What one arrival changed, written together. */
export interface Happened {
  readonly id: InstanceId
  readonly step: string
  /** Of all steps of this instance in this service. */
  readonly steps: ReadonlyMap<string, StepState>
  /** Whether the saga is at an end, as far as this service saw. */
  readonly ended: boolean
  readonly action: Action
  readonly outcome: string | undefined
  /** Undefined: time was up. */
  readonly event: { readonly type: string; readonly id: string } | undefined
  readonly emitted: readonly string[]
  readonly attempt: number
}

export interface Timer {
  readonly id: InstanceId
  readonly step: string
  readonly afterMs: number
  readonly correlationId: string
  readonly causationId: string
}

/** The rows of a service's instances. Everything is to be called inside the transaction that `query` belongs to. */
export interface InstanceStore {
  /** Locks the instance until the transaction ends, beginning it if need be, and resolves with what its steps remember. */
  lock(query: Query, id: InstanceId): Promise<ReadonlyMap<string, StepState>>
  /** The same for one that exists, without waiting. Undefined: gone, or somebody is at it. */
  tryLock(query: Query, id: InstanceId): Promise<ReadonlyMap<string, StepState> | undefined>
  write(happened: Happened): Statement
  /** The same event again, after it counted. */
  countDuplicate(id: InstanceId, step: string, eventId: string): Statement
  arm(timer: Timer): Statement
  disarm(id: InstanceId, step: string): Statement
}

export function instanceStore(schema: string | undefined): InstanceStore {
  const table = tablesOf(schema)
  return {
    async lock(query, id) {
      // A second round only when another transaction began the instance meanwhile: by then it has committed.
      for (let round = 0; round < 3; round++) {
        const [row] = await query<InstanceRow>(
          `with found as (
            select steps from ${table('saga_instance')} where saga = $1::text and instance = $2::text for update
          ), begun as (
            insert into ${table('saga_instance')} (saga, instance)
            select $1::text, $2::text where not exists (select from found)
            on conflict do nothing returning steps
          ) select steps from found union all select steps from begun`,
          [id.saga, id.instance],
        )
        if (row !== undefined) return stepsOf(row)
      }
      throw new MekongError('SAGA_STATE_CONFLICT', `the saga "${id.saga}" was pruned while an event of it arrived`, {
        retryable: true,
      })
    },
    async tryLock(query, id) {
      const [row] = await query<InstanceRow>(
        `select steps from ${table('saga_instance')} where saga = $1::text and instance = $2::text for update skip locked`,
        [id.saga, id.instance],
      )
      return row === undefined ? undefined : stepsOf(row)
    },
    write: ({ id, step, steps, ended, action, outcome, event, emitted, attempt }) => ({
      text: `with state as (
        update ${table('saga_instance')} set steps = $3::text::json, ended = ended or $4::boolean, last_at = clock_timestamp()
        where saga = $1::text and instance = $2::text
      ) insert into ${table('saga_journal')} (saga, instance, step, action, outcome, event_type, event_id, emitted, attempt)
        values ($1::text, $2::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text::json, $11::integer)`,
      parameters: [
        id.saga,
        id.instance,
        JSON.stringify(Object.fromEntries(steps)),
        ended,
        step,
        action,
        outcome ?? null,
        event?.type ?? null,
        event?.id ?? null,
        JSON.stringify(emitted),
        attempt,
      ],
    }),
    countDuplicate: (id, step, eventId) => ({
      text: `update ${table('saga_journal')} set duplicates = duplicates + 1
        where saga = $1::text and instance = $2::text and step = $3::text and event_id = $4::text`,
      parameters: [id.saga, id.instance, step, eventId],
    }),
    arm: ({ id, step, afterMs, correlationId, causationId }) => ({
      text: `insert into ${table('saga_timer')} (saga, instance, step, due_at, correlation_id, causation_id)
        values ($1::text, $2::text, $3::text, clock_timestamp() + $4::float8 * interval '1 millisecond', $5::text, $6::text)`,
      parameters: [id.saga, id.instance, step, afterMs, correlationId, causationId],
    }),
    disarm: (id, step) => ({
      text: `delete from ${table('saga_timer')} where saga = $1::text and instance = $2::text and step = $3::text`,
      parameters: [id.saga, id.instance, step],
    }),
  }
}

interface InstanceRow {
  readonly steps: Readonly<Record<string, StepState>>
}

function stepsOf(row: InstanceRow): ReadonlyMap<string, StepState> {
  return new Map(Object.entries(row.steps))
}
