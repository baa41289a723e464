import { freshDatabase } from '@mekong/stack'
import pg from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { migrate, type Migration, postgresMigrations, printMigrations } from '../src/index.ts'
import { pgSql } from '../src/pg.ts'

async function emptyDatabase(): Promise<AsyncDisposable & { readonly url: string; readonly pool: pg.Pool }> {
  const database = await freshDatabase(inject('postgresUrl'))
  const pool = new pg.Pool({ connectionString: database.url, max: 8 })
  return {
    url: database.url,
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await database.drop()
    },
  }
}

const names = postgresMigrations.map(migration => migration.name)

describe('migrate', () => {
  it('applies each migration once when eight start at once', async () => {
    await using database = await emptyDatabase()
    const applied = await Promise.all(
      Array.from({ length: 8 }, () => migrate(pgSql(database.pool), postgresMigrations, { schema: `it's "odd"` })),
    )
    expect(applied.flat().toSorted()).toEqual(names.toSorted())
    expect(await migrate(pgSql(database.pool), postgresMigrations, { schema: `it's "odd"` })).toEqual([])
  })

  it('gives each schema its own tables', async () => {
    await using database = await emptyDatabase()
    const sql = pgSql(database.pool)
    expect(await migrate(sql, postgresMigrations, { schema: 'orders' })).toEqual(names)
    expect(await migrate(sql, postgresMigrations, { schema: 'payments' })).toEqual(names)
    await sql.query('insert into orders.inbox values (gen_random_uuid())')
    expect(await sql.query('select from payments.inbox')).toEqual([])
  })

  it('applies only what is missing, and nothing of a set that fails', async () => {
    await using database = await emptyDatabase()
    const sql = pgSql(database.pool)
    const one: Migration = { name: 'one', statements: table => [`create table ${table('one')} (id int)`] }
    const two: Migration = { name: 'two', statements: table => [`create table ${table('two')} (id int)`] }
    const wrong: Migration = { name: 'wrong', statements: () => ['create nonsense'] }
    await migrate(sql, [one])
    await expect(migrate(sql, [one, two, wrong])).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('wrong') as string,
    })
    expect(await migrate(sql, [one, two])).toEqual(['two'])
  })

  it('needs no right to create anything where everything is in place', async () => {
    await using database = await emptyDatabase()
    const sql = pgSql(database.pool)
    await migrate(sql, postgresMigrations)
    await sql.query(
      `do $$ begin create role mekong_reader login password 'reader'; exception when duplicate_object then null; end $$`,
    )
    await sql.query('grant usage on schema mekong to mekong_reader')
    await sql.query('grant select on all tables in schema mekong to mekong_reader')
    const url = new URL(database.url)
    url.username = 'mekong_reader'
    url.password = 'reader'
    const pool = new pg.Pool({ connectionString: url.href })
    expect(await migrate(pgSql(pool), postgresMigrations)).toEqual([])
    await pool.end()
  })

  it('prints SQL that does the same, and may be run twice', async () => {
    await using database = await emptyDatabase()
    const printed = printMigrations(postgresMigrations, { schema: 'printed' })
    await database.pool.query(printed)
    await database.pool.query(printed)
    expect(await migrate(pgSql(database.pool), postgresMigrations, { schema: 'printed' })).toEqual([])
  })

  it('refuses two migrations of one name', async () => {
    await using database = await emptyDatabase()
    const one: Migration = { name: 'one', statements: () => [] }
    await expect(migrate(pgSql(database.pool), [one, one])).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
  })
})
