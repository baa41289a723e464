import type { HoldStore } from '@mekong/core/driver'
import type { Sql } from '../sql.ts'
import { holdAdministration } from './hold-administration.ts'
import { holdLeases } from './hold-leases.ts'
import { holdPartitions } from './hold-partitions.ts'
import { holdTables } from './hold-tables.ts'
import { holdWriting } from './hold-writing.ts'

export interface PostgresHoldOptions {
  readonly sql: Sql
  /** @default 'mekong' */
  readonly schema?: string | undefined
}

/**
 * The hold store in two tables, lanes and their events, and one of marked partitions. What changes a lane locks its row first, so that its events are
 * counted, added and removed by one at a time; times and leases are judged by the clock of the database.
 */
export function postgresHold(options: PostgresHoldOptions): HoldStore {
  const tables = holdTables(options)
  return {
    durable: true,
    ...holdWriting(tables),
    ...holdLeases(tables),
    ...holdAdministration(tables),
    ...holdPartitions(tables),
  }
}
