import { type Sql, tablesOf } from '@mekong/postgres'
import type { Action } from '../declare/step-state.ts'
import type { Outcome } from '../declare/flow.ts'

/** One thing that happened to one step, as the service that did it wrote it down in the same transaction. */
export interface TimelineEntry {
  /** Milliseconds since the epoch, by the clock of the service's database. */
  readonly at: number
  readonly saga: string
  readonly step: string
  /** What was done about it; see `Action`. */
  readonly action: Exclude<Action, 'duplicate'>
  /** How the step went; undefined where it did not run. */
  readonly outcome: Outcome['is'] | undefined
  /** The event that arrived: its type, and its source and id. Undefined: time was up. */
  readonly event: { readonly type: string; readonly id: string } | undefined
  /** Types of the events that left with the commit. */
  readonly emitted: readonly string[]
  /** Which attempt it was that succeeded. */
  readonly attempt: number
  /** How often the same event came again afterwards, as far as it came this far. */
  readonly duplicates: number
}

/** An entry and the service that it is from. */
export interface ServiceEntry extends TimelineEntry {
  readonly service: string
}

export interface TimelineQuery {
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /** The correlation id, or what the saga's `correlate` makes of an event. */
  readonly instance: string
  /** @default every saga */
  readonly saga?: string | undefined
}

/** What one service did in one instance, in order. */
export async function sagaTimeline(
  sql: Sql,
  { schema, instance, saga }: TimelineQuery,
): Promise<readonly TimelineEntry[]> {
  const rows = await sql.query<JournalRow>(
    `select extract(epoch from at)::float8 * 1000 as at, saga, step, action, outcome, event_type, event_id, emitted, attempt, duplicates
    from ${tablesOf(schema)('saga_journal')}
    where instance = $1::text and ($2::text is null or saga = $2::text) order by id`,
    [instance, saga ?? null],
  )
  return rows.map(entryOf)
}

/**
 * One timeline of several services. By time, each service's own entries always in its order; services whose clocks differ
 * by more than an event travels may stand the wrong way round.
 */
export function mergeTimelines(timelines: Readonly<Record<string, readonly TimelineEntry[]>>): readonly ServiceEntry[] {
  const entries = Object.entries(timelines).flatMap(([service, timeline]) => {
    let latest = Number.NEGATIVE_INFINITY
    return timeline.map(entry => ({ place: (latest = Math.max(latest, entry.at)), entry: { ...entry, service } }))
  })
  return entries.toSorted((a, b) => a.place - b.place).map(({ entry }) => entry)
}

interface JournalRow {
  readonly at: number
  readonly saga: string
  readonly step: string
  readonly action: TimelineEntry['action']
  readonly outcome: Outcome['is'] | null
  readonly event_type: string | null
  readonly event_id: string | null
  readonly emitted: readonly string[]
  readonly attempt: number
  readonly duplicates: number
}

function entryOf({
  at,
  saga,
  step,
  action,
  outcome,
  event_type: type,
  event_id: id,
  ...rest
}: JournalRow): TimelineEntry {
  const { emitted, attempt, duplicates } = rest
  const event = type === null || id === null ? undefined : { type, id }
  return { at: Math.floor(at), saga, step, action, outcome: outcome ?? undefined, event, emitted, attempt, duplicates }
}
