import type { PreparedEvent } from '@mekong/core'

/** A committed event on its way to the broker. */
export interface OutboxRow {
  /** Its place in the order of the outbox, from a sequence; also names it. Exact: far below 2^53. */
  readonly position: number
  readonly leaf: number
  readonly bucket: number
  readonly bytes: number
  readonly event: PreparedEvent
}

/** The columns of an event, in types that every client reads alike. */
export const eventColumns = 'id::text as id, aggregatetype, aggregateid, type, payload, headers'

export interface EventColumns {
  readonly id: string
  readonly aggregatetype: string
  readonly aggregateid: string | null
  readonly type: string
  readonly payload: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

export function eventOf(row: EventColumns): PreparedEvent {
  return {
    id: row.id,
    type: row.type,
    topic: row.aggregatetype,
    key: row.aggregateid ?? undefined,
    headers: row.headers,
    body: row.payload,
  }
}

/** What order is kept by: topic and key. Undefined without a key. */
export function orderOf({ topic, key }: Pick<PreparedEvent, 'topic' | 'key'>): string | undefined {
  // Topics hold no blank, so that no two pairs look alike.
  return key === undefined ? undefined : `${topic} ${key}`
}
