import { migrate, postgresMigrations, type Sql } from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import { type FreshDatabase, freshDatabase } from '@mekong/stack'
import { Pool } from 'pg'
import { outboxMigrations, type OutboxMigrationsOptions } from '../../src/index.ts'

/** An empty database with the tables of the outbox, and a pool on it. */
export interface OutboxDatabase extends AsyncDisposable {
  readonly url: string
  readonly pool: Pool
  readonly sql: Sql
}

export async function outboxDatabase(url: string, options: OutboxMigrationsOptions = {}): Promise<OutboxDatabase> {
  const database: FreshDatabase = await freshDatabase(url)
  const pool = new Pool({ connectionString: database.url, max: 20 })
  const sql = pgSql(pool)
  await migrate(sql, [...postgresMigrations, ...outboxMigrations(options)])
  return {
    url: database.url,
    pool,
    sql,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await database.drop()
    },
  }
}
