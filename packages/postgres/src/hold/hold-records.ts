import type { HeldEvent, HeldMessage, HeldReason, HeldState, HoldScope } from '@mekong/core/driver'
import { digest } from '../digest.ts'
import { milliseconds, timestamp } from '../sql-time.ts'

/** A row of the answer to `eventColumns`. */
export interface EventRow {
  readonly id: string
  readonly group: string
  readonly subscription: string
  readonly name: string
  readonly ordered: boolean
  readonly lane: string
  readonly state: HeldState
  readonly due_ms: number | null
  readonly message: Omit<HeldMessage, 'body'>
  readonly body: Uint8Array
  readonly attempts: number
  readonly reason: HeldReason
  readonly held_ms: number
  readonly fence: number
}

/** A held event `e` and its lane `l`. */
export const eventColumns: string = `e.id::text as id, e."group", e.subscription, e.name, l.ordered, l.name as lane, e.state,
  ${milliseconds('e.due_at')} as due_ms, e.message, e.body, e.attempts, e.reason, ${milliseconds('e.held_at')} as held_ms,
  e.fence::float8 as fence`

/** The events of a JSON parameter as rows. */
const newEvents = (parameter: string): string =>
  `json_to_recordset(${parameter}::text::json) as new (place int, lane_id bigint, "group" text, subscription text,
    event uuid, rank smallint, name text, state text, due_ms float8, message text, body text, attempts int, reason text,
    held_ms float8, fence bigint)`

/** Inserts `newEvents`, in order. Leaves what comes behind `on conflict` to the caller. */
export const insertEvents = (heldEvent: string, parameter: string): string =>
  `insert into ${heldEvent} as held (lane_id, "group", subscription, event, rank, name, state, due_at, message, body, attempts,
    reason, held_at, fence)
  select lane_id, "group", subscription, event, rank, name::json, state, ${timestamp('due_ms')}, message::json,
    decode(body, 'base64'), attempts, reason::json, ${timestamp('held_ms')}, fence
  from ${newEvents(parameter)} order by place`

export type Rank = 0 | 1

/** Held events for a JSON parameter; they take their ids in this order. */
export function newEventsParameter(
  events: readonly { readonly event: HeldEvent; readonly laneId: string; readonly rank: Rank }[],
): string {
  return JSON.stringify(events.map(({ event, laneId, rank }, place) => ({ place, ...newEvent(event, laneId, rank) })))
}

// json inside json is text: json_to_recordset reads the escapes of strings, and cannot make text of a NUL.
function newEvent(event: HeldEvent, laneId: string, rank: Rank): object {
  const { body, ...message } = event.message
  return {
    lane_id: laneId,
    ...event.scope,
    event: eventDigest(event.event),
    rank,
    name: JSON.stringify(event.event),
    state: event.state,
    due_ms: event.dueAt ?? null,
    message: JSON.stringify(message),
    body: Buffer.from(body).toString('base64'),
    attempts: event.attempts,
    reason: JSON.stringify(event.reason),
    held_ms: event.heldAt,
    fence: event.fence,
  }
}

export function heldEvent(row: EventRow): HeldEvent {
  const { messageId, key, ...message } = row.message
  return {
    scope: { group: row.group, subscription: row.subscription },
    event: row.name,
    key: row.ordered ? row.lane : undefined,
    state: row.state,
    dueAt: row.due_ms ?? undefined,
    message: { ...message, messageId, key, body: row.body },
    attempts: row.attempts,
    reason: row.reason,
    heldAt: row.held_ms,
    fence: row.fence,
  }
}

/** Where an event waits: in the lane of its key, or without order in one of its own. */
export interface LaneName {
  readonly scope: HoldScope
  readonly lane: string
  readonly ordered: boolean
}

export function laneOf(event: Pick<HeldEvent, 'scope' | 'event' | 'key'>): LaneName {
  return { scope: event.scope, lane: event.key ?? event.event, ordered: event.key !== undefined }
}

export function laneDigest({ lane, ordered }: Pick<LaneName, 'lane' | 'ordered'>): string {
  return digest(ordered, lane)
}

export function eventDigest(event: string): string {
  return digest(event)
}
