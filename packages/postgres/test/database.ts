import { freshDatabase } from '@mekong/stack'
import pg from 'pg'
import { inject } from 'vitest'
import { migrate, postgresMigrations, type Sql } from '../src/index.ts'
import { pgSql } from '../src/pg.ts'

/** A database of one test with the tables of this package, reached by a pool. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly pool: pg.Pool
  readonly sql: Sql
}

export async function testDatabase(config: pg.PoolConfig = {}): Promise<TestDatabase> {
  const database = await freshDatabase(inject('postgresUrl'))
  const pool = new pg.Pool({ connectionString: database.url, max: 10, ...config })
  const sql = pgSql(pool)
  await migrate(sql, postgresMigrations)
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
