import type { Answers, Sql, Statement, Transaction } from '../sql.ts'
import { tablesOf } from '../sql-name.ts'
import { type HoldLanes, holdLanes } from './hold-lanes.ts'
import type { PostgresHoldOptions } from './postgres-hold.ts'

/** What the methods of the hold store share. */
export interface HoldTables {
  readonly sql: Sql
  /** Quoted names. */
  readonly lane: string
  readonly event: string
  readonly mark: string
  readonly fence: string
  readonly lanes: HoldLanes
  /** A short transaction that begins with a statement, and ends soon when its process stops in the middle. */
  step<T>(begin: Statement, work: (tx: Transaction, answers: Answers) => Promise<T>): Promise<T>
}

const bounds = { lockTimeoutMs: 5_000, statementTimeoutMs: 30_000, idleTimeoutMs: 10_000 }

export function holdTables({ sql, schema }: PostgresHoldOptions): HoldTables {
  const table = tablesOf(schema)
  return {
    sql,
    lane: table('hold_lane'),
    event: table('held_event'),
    mark: table('partition_mark'),
    fence: table('hold_fence'),
    lanes: holdLanes(table),
    step: (begin, work) => sql.transaction(work, { ...bounds, begin: [begin] }),
  }
}
