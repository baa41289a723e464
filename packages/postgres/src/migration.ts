import { isMekongError, MekongError } from '@mekong/core'
import type { Sql, Transaction } from './sql.ts'
import { defaultSchema, quoteName, type TableName, tablesOf } from './sql-name.ts'

/** One step of a schema's history. Once released, neither its name nor its statements change. */
export interface Migration {
  /** Unique over all packages: `postgres-001-inbox`. */
  readonly name: string
  /** Safe to run again (`create table if not exists`), so that the printed SQL is as well. */
  readonly statements: (table: TableName) => readonly string[]
}

export interface MigrateOptions {
  /** @default 'mekong' */
  readonly schema?: string | undefined
}

/**
 * Applies what is missing, in the order given, all in one transaction; resolves with the names of what was applied. Safe
 * to run twice and from many processes at once: the others wait for the first. The schema is created where it is missing;
 * a role that only finds everything in place needs no right to create.
 * @throws MekongError MIGRATION_FAILED naming the migration; nothing was applied. STORE_UNAVAILABLE
 */
export async function migrate(
  sql: Sql,
  migrations: readonly Migration[],
  options: MigrateOptions = {},
): Promise<readonly string[]> {
  const { schema = defaultSchema } = options
  const table = tablesOf(schema)
  refuseDoubles(migrations)
  return sql.transaction(async tx => {
    await tx.query(lockStatement, [schema])
    const applied = await appliedNames(tx, schema)
    const missing = migrations.filter(migration => !applied.has(migration.name))
    for (const migration of missing) await apply(tx, migration, table)
    return missing.map(migration => migration.name)
  })
}

/** The same as SQL, for those whose database others change: one transaction, safe to run again. */
export function printMigrations(migrations: readonly Migration[], options: MigrateOptions = {}): string {
  const { schema = defaultSchema } = options
  const table = tablesOf(schema)
  refuseDoubles(migrations)
  const statements = [
    'begin',
    `create schema if not exists ${quoteName(schema)}`,
    historyStatement(table),
    ...migrations.flatMap(migration => [
      ...migration.statements(table),
      `insert into ${table('migration')} (name) values ('${migration.name.replaceAll("'", "''")}') on conflict do nothing`,
    ]),
    'commit',
  ]
  return statements.map(statement => `${statement};\n`).join('\n')
}

const lockStatement = "select pg_advisory_xact_lock(hashtextextended('mekong.migrate ' || $1::text, 0))"

const historyStatement = (table: TableName): string =>
  `create table if not exists ${table('migration')} (
  name text primary key,
  applied_at timestamptz not null default now()
)`

async function appliedNames(tx: Transaction, schema: string): Promise<ReadonlySet<string>> {
  const table = tablesOf(schema)
  const [found] = await tx.query<{ schema: boolean; history: boolean }>(
    `select to_regnamespace($1::text) is not null as schema, to_regclass($2::text) is not null as history`,
    [quoteName(schema), table('migration')],
  )
  if (found?.schema !== true) await tx.query(`create schema ${quoteName(schema)}`)
  if (found?.history !== true) await tx.query(historyStatement(table))
  const rows = await tx.query<{ name: string }>(`select name from ${table('migration')}`)
  return new Set(rows.map(row => row.name))
}

async function apply(tx: Transaction, migration: Migration, table: TableName): Promise<void> {
  try {
    for (const statement of migration.statements(table)) await tx.query(statement)
    await tx.query(`insert into ${table('migration')} (name) values ($1::text)`, [migration.name])
  } catch (error) {
    if (isMekongError(error)) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new MekongError('MIGRATION_FAILED', `Migration ${migration.name}: ${why}`, { cause: error })
  }
}

function refuseDoubles(migrations: readonly Migration[]): void {
  const names = new Set<string>()
  for (const { name } of migrations) {
    if (names.has(name)) throw new MekongError('INVALID_CONFIGURATION', `Two migrations are named ${name}`)
    names.add(name)
  }
}
