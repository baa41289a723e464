import type { Query, TableName } from '@mekong/postgres'
import { type EventColumns, eventColumns, eventOf, type OutboxRow } from './outbox-row.ts'
import type { SnapshotText } from './snapshot.ts'

/** Where a relay reads and writes. Every statement is a transaction of its own: there is no session to lose. */
export interface Database {
  readonly query: Query
  readonly table: TableName
}

/** Numbers as the text of an array, to be cast: clients differ in what they make of an array of their language. */
export function arrayText(values: Iterable<number | string>): string {
  return `{${Array.from(values).join(',')}}`
}

/** Bounds of one read. */
export interface ReadLimit {
  readonly rows: number
  readonly bytes: number
}

/** What a read saw, and of which server. */
export interface ReadHead {
  readonly snapshot: SnapshotText
  /** When the server was started. Another value means that snapshots from before say nothing about what is there now. */
  readonly server: string
}

/** Columns of the first line of a read, which is there even when no row was found. */
export interface HeadColumns {
  /** On the first line only: it can be long. */
  readonly snapshot: SnapshotText | null
  readonly server: string
}

export const rowColumns: string = `position::float8 as position, leaf::int as leaf, bucket::int as bucket, ${eventColumns}`

export interface RowColumns extends EventColumns {
  /** Null on the only line of a read that found nothing. */
  readonly position: number | null
  readonly leaf: number
  readonly bucket: number
}

export function rowsOf(lines: readonly RowColumns[]): readonly OutboxRow[] {
  return lines.flatMap(line => {
    const { position, leaf, bucket } = line
    return position === null ? [] : [{ position, leaf, bucket, bytes: line.payload.byteLength, event: eventOf(line) }]
  })
}
