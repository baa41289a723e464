import { isMekongError } from '@mekong/core'
import { startTcpProxy } from '@mekong/stack'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { isSqlError } from '../src/index.ts'
import { pgSql, pgTransaction } from '../src/pg.ts'
import { testDatabase } from './database.ts'

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('pgSql', () => {
  it('answers with the same values whatever type parsers the application has set', async () => {
    await using database = await testDatabase({
      types: { getTypeParser: () => () => 'from the application' },
    })
    const [row] = await database.sql.query(
      `select 1::int4 as int, 2.5::float8 as float, true as yes, '\\x00ff'::bytea as bytes, 'a'::text as text,
        '{"a":[1]}'::json as json, null::text as nothing, 9007199254740993::int8 as big, pg_current_xact_id() is not null as xid`,
    )
    expect(row).toEqual({
      int: 1,
      float: 2.5,
      yes: true,
      bytes: Buffer.from([0, 255]),
      text: 'a',
      json: { a: [1] },
      nothing: null,
      big: '9007199254740993',
      xid: true,
    })
  })

  it('commits what the work has done, and rolls back with the error of the work', async () => {
    await using database = await testDatabase()
    await database.sql.query('create table note (text text)')
    const done = await database.sql.transaction(async tx => {
      await tx.query('insert into note values ($1)', ['kept'])
      return 'done'
    })
    const failing = database.sql.transaction(async tx => {
      await tx.query('insert into note values ($1)', ['dropped'])
      throw new RangeError('no')
    })
    await expect(failing).rejects.toThrow(RangeError)
    expect(done).toBe('done')
    expect(await database.sql.query('select text from note')).toEqual([{ text: 'kept' }])
  })

  it.each([false, true])(
    'runs first and last statements in the transaction (pipelining client: %s)',
    async pipeline => {
      await using database = await testDatabase({ pipeline })
      await database.sql.query('create table note (id serial, text text)')
      const order: string[] = []
      await database.sql.transaction(
        async (tx, [first, second]) => {
          expect(first).toEqual([{ text: `it's "$1"` }])
          expect(second).toEqual([{ timeout: '1234ms' }])
          tx.beforeCommit?.(() => [{ text: 'insert into note (text) values ($1), ($2)', parameters: ['later', null] }])
          tx.afterCommit?.(() => order.push('committed'))
          order.push('worked')
        },
        {
          lockTimeoutMs: 1234,
          begin: [
            { text: 'insert into note (text) values ($1) returning text', parameters: [`it's "$1"`] },
            { text: `select current_setting('lock_timeout') as timeout` },
          ],
          commit: () => [{ text: 'insert into note (text) values ($1)', parameters: ['last'] }],
        },
      )
      expect(order).toEqual(['worked', 'committed'])
      const notes = await database.sql.query('select text from note order by id')
      expect(notes).toEqual([{ text: `it's "$1"` }, { text: 'last' }, { text: 'later' }, { text: null }])
    },
  )

  it.each([false, true])('commits nothing when a last statement fails (pipelining client: %s)', async pipeline => {
    await using database = await testDatabase({ pipeline })
    await database.sql.query('create table note (text text primary key)')
    let isCommitted = false
    const failure = await failureOf(
      database.sql.transaction(
        async tx => {
          tx.afterCommit?.(() => (isCommitted = true))
          await tx.query(`insert into note values ('a')`)
        },
        { commit: () => [{ text: 'insert into note values ($1)', parameters: ['a'] }] },
      ),
    )
    expect(failure).toMatchObject({ name: 'SqlError', code: '23505', constraint: 'note_pkey' })
    expect(isCommitted).toBe(false)
    expect(await database.sql.query('select from note')).toEqual([])
  })

  it.each([false, true])('refuses a last statement that could not be sent (pipelining client: %s)', async pipeline => {
    await using database = await testDatabase({ pipeline })
    await database.sql.query('create table note (text text)')
    const circular: { self?: unknown } = {}
    circular.self = circular
    const failure = await failureOf(
      database.sql.transaction(async tx => tx.query(`insert into note values ('a')`), {
        commit: () => [{ text: 'insert into note values ($1)', parameters: [circular as never] }],
      }),
    )
    expect(failure).toBeInstanceOf(TypeError)
    expect(await database.sql.query('select from note')).toEqual([])
  })

  it('rejects when a statement failed and the work went on as if nothing were', async () => {
    await using database = await testDatabase()
    const failure = await failureOf(
      database.sql.transaction(async tx => {
        await tx.query('select 1/0').catch(() => {})
      }),
    )
    expect(failure).toMatchObject({ name: 'SqlError', code: '25P02' })
  })

  it('refuses a statement after the end of its transaction', async () => {
    await using database = await testDatabase()
    const tx = await database.sql.transaction(async open => open)
    expect(await failureOf(tx.query('select 1'))).toMatchObject({ code: 'INVALID_STATE' })
  })

  it('gives a lock up after its timeout as BUSY, and the connection works on', async () => {
    await using database = await testDatabase({ max: 2 })
    await database.sql.query('create table note (text text)')
    await database.sql.transaction(async tx => {
      await tx.query('lock table note')
      const waiting = database.sql.transaction(inner => inner.query('select from note'), { lockTimeoutMs: 20 })
      expect(await failureOf(waiting)).toMatchObject({ code: 'BUSY', retryable: true })
      expect(await database.sql.query('select 1 as one')).toEqual([{ one: 1 }])
    })
  })

  it('says that the outcome is unknown when the connection is lost in COMMIT, which may have taken effect', async () => {
    await using database = await testDatabase()
    await using proxy = await startTcpProxy({ target: database.url })
    const pool = new pg.Pool({ connectionString: proxy.through(database.url) })
    const sql = pgSql(pool)
    await sql.query('create table note (text text)')
    const cut = proxy.cutBeforeReply(bytes => bytes.includes('commit'))
    const failure = await failureOf(sql.transaction(tx => tx.query(`insert into note values ('there')`)))
    expect(await cut).toBe(true)
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    expect((failure as Error).message).toContain('unknown')
    expect(await sql.query('select text from note')).toEqual([{ text: 'there' }])
    await pool.end()
  })

  it('survives connections that are ended while idle, while checked out and within a transaction', async () => {
    await using database = await testDatabase({ max: 3 })
    const { sql } = database
    const endOthers = (): Promise<unknown> =>
      sql.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
    await Promise.all([sql.query('select pg_sleep(0.01)'), sql.query('select pg_sleep(0.01)')])
    await endOthers()
    const failure = await failureOf(
      sql.transaction(async tx => {
        await endOthers()
        await tx.query('select 1')
      }),
    )
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    expect(await sql.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('gives up a database that has gone silent', async () => {
    await using database = await testDatabase()
    await using proxy = await startTcpProxy({ target: database.url })
    const pool = new pg.Pool({ connectionString: proxy.through(database.url) })
    const sql = pgSql(pool, { timeoutMs: 200 })
    await sql.query('select 1')
    proxy.stall()
    expect(await failureOf(sql.query('select 1'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(pool.totalCount).toBe(0)
    expect(await failureOf(sql.query('select 1'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await proxy.restore()
    expect(await sql.query('select 1 as one')).toEqual([{ one: 1 }])
    await pool.end()
  })

  it('gives up waiting for a connection, and gives the one that comes too late back', async () => {
    await using database = await testDatabase({ max: 1 })
    const impatient = pgSql(database.pool, { timeoutMs: 50 })
    const busy = await database.pool.connect()
    expect(await failureOf(impatient.query('select 1'))).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    busy.release()
    expect(await impatient.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('never shows row values or passwords in an error', async () => {
    await using database = await testDatabase()
    await database.sql.query('create table account (email text primary key, age int check (age > 0))')
    await database.sql.query(`insert into account values ('secret@example.com', 1)`)
    const url = new URL(database.url)
    url.password = 'secret-password'
    url.username = 'nobody_secret'
    const wrongPool = new pg.Pool({ connectionString: url.href })
    const failures = await Promise.all([
      failureOf(database.sql.query(`insert into account values ('secret@example.com', 2)`)),
      failureOf(database.sql.query(`insert into account values ('other-secret', -1)`)),
      failureOf(database.sql.query(`select 'secret-number'::int`)),
      failureOf(database.sql.query('select $1::int', ['secret-number'])),
      failureOf(database.sql.query(`do $$ begin raise exception 'secret' using detail = 'secret'; end $$`)),
      failureOf(pgSql(wrongPool).query('select 1')),
    ])
    await wrongPool.end()
    for (const failure of failures) {
      expect(isMekongError(failure) || isSqlError(failure)).toBe(true)
      const shown = JSON.stringify(failure, Object.getOwnPropertyNames(failure)) + String((failure as Error).cause)
      expect(shown.replaceAll('pg_secret', '')).not.toMatch(/secret/)
    }
    expect(failures[0]).toMatchObject({ code: '23505', table: 'account', constraint: 'account_pkey' })
  })

  it('runs inside a transaction that the application has opened on its own client', async () => {
    await using database = await testDatabase()
    await database.sql.query('create table note (text text)')
    const client = await database.pool.connect()
    await client.query('begin')
    const tx = pgTransaction(client)
    await tx.query('insert into note values ($1)', ['a'])
    expect(tx.native).toBe(client)
    expect(tx.beforeCommit).toBeUndefined()
    await client.query('rollback')
    client.release()
    expect(await database.sql.query('select from note')).toEqual([])
  })
})
