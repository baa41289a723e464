import { holdMigrations } from './hold/hold-migrations.ts'
import { inboxMigrations } from './inbox.ts'
import { leaseMigrations } from './lease.ts'
import type { Migration } from './migration.ts'
import { scheduleMigrations } from './schedule.ts'

export type { Answers, Parameter, Query, Sql, Statement, Transaction, TransactionOptions } from './sql.ts'
export { isSqlError, type SqlError, sqlFailure } from './sql-failure.ts'
export { type SqlClient, sqlOver } from './sql-over.ts'
export { defaultSchema, quoteName, type TableName, tablesOf } from './sql-name.ts'
export { migrate, type MigrateOptions, type Migration, printMigrations } from './migration.ts'
export {
  type InboxContext,
  inboxMigrations,
  type PostgresInbox,
  postgresInbox,
  type PostgresInboxOptions,
} from './inbox.ts'
export { type PostgresHoldOptions, postgresHold } from './hold/postgres-hold.ts'
export { holdMigrations } from './hold/hold-migrations.ts'
export { type PostgresScheduleOptions, postgresSchedule, scheduleMigrations } from './schedule.ts'
export {
  type BalancedLeases,
  type FencedLease,
  type FencedLeases,
  type FencedLeasesOptions,
  fencedLeases,
  leaseMigrations,
} from './lease.ts'

/** The tables of everything in this package. */
export const postgresMigrations: readonly Migration[] = [
  ...inboxMigrations,
  ...holdMigrations,
  ...scheduleMigrations,
  ...leaseMigrations,
]
