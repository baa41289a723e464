export type { Answers, Parameter, Query, Sql, Statement, Transaction, TransactionOptions } from './sql.ts'
export { isSqlError, type SqlError, sqlFailure } from './sql-failure.ts'
export { defaultSchema, quoteName, type TableName, tablesOf } from './sql-name.ts'
export { migrate, type MigrateOptions, type Migration, printMigrations } from './migration.ts'
