import { MekongError } from '@mekong/core'
import { startTcpProxy } from '@mekong/stack'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { type InboxContext, postgresInbox } from '../src/index.ts'
import { pgSql } from '../src/pg.ts'
import { testDatabase, type TestDatabase } from './database.ts'

interface TestContext extends InboxContext {
  readonly isDuplicate: boolean
}

function contextOf(event: string, signal: AbortSignal = new AbortController().signal): TestContext {
  let isDuplicate = false
  return {
    identity: { scope: 'inventory order.created', event },
    signal,
    markDuplicate: () => (isDuplicate = true),
    get isDuplicate() {
      return isDuplicate
    },
  }
}

async function withEffects(config?: pg.PoolConfig): Promise<TestDatabase> {
  const database = await testDatabase(config)
  await database.sql.query('create table effect (event text, by text)')
  return database
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('postgresInbox', () => {
  it('applies an event once, and says that the next delivery of it is a duplicate', async () => {
    await using database = await withEffects()
    const handle = postgresInbox(database).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
    })
    const [first, second] = [contextOf('a'), contextOf('a')]
    await handle('a', first)
    await handle('a', second)
    expect([first.isDuplicate, second.isDuplicate]).toEqual([false, true])
    expect(await database.sql.query('select event from effect')).toEqual([{ event: 'a' }])
  })

  it('keeps events, and subscriptions, apart', async () => {
    await using database = await withEffects()
    const handle = postgresInbox(database).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
    })
    await handle('a', contextOf('a'))
    await handle('b', contextOf('b'))
    await handle('c', { ...contextOf('a'), identity: { scope: 'inventory order.created a', event: '' } })
    expect(await database.sql.query('select event from effect order by event')).toHaveLength(3)
  })

  it('applies each event once when 20 deliveries of it arrive at once', async () => {
    await using database = await withEffects({ max: 20 })
    const handle = postgresInbox({ ...database, lockTimeoutMs: 5_000 }).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
    })
    const events = ['a', 'b', 'c', 'd', 'e']
    const contexts = events.flatMap(event => Array.from({ length: 20 }, () => contextOf(event)))
    await Promise.all(contexts.map(context => handle(context.identity.event, context)))
    expect(contexts.filter(context => context.isDuplicate)).toHaveLength(95)
    expect(await database.sql.query('select event from effect order by event')).toEqual(
      events.map(event => ({ event })),
    )
  })

  it('leaves neither effect nor record when the handler rejects', async () => {
    await using database = await withEffects()
    const inbox = postgresInbox(database)
    const failing = inbox.handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
      throw new RangeError('no')
    })
    await expect(failing('a', contextOf('a'))).rejects.toThrow(RangeError)
    expect(await database.sql.query('select from effect')).toEqual([])
    const context = contextOf('a')
    await inbox.handler(async () => {})('a', context)
    expect(context.isDuplicate).toBe(false)
  })

  it('rolls back when the attempt is aborted before COMMIT', async () => {
    await using database = await withEffects()
    const abort = new AbortController()
    const handle = postgresInbox(database).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
      abort.abort(new MekongError('HANDLER_TIMEOUT', 'too late', { retryable: true }))
    })
    expect(await failureOf(handle('a', contextOf('a', abort.signal)))).toMatchObject({ code: 'HANDLER_TIMEOUT' })
    expect(await database.sql.query('select from effect')).toEqual([])
  })

  it('is BUSY while another transaction handles the event, and a duplicate once that has committed', async () => {
    await using database = await withEffects()
    const inbox = postgresInbox({ ...database, lockTimeoutMs: 20 })
    const other = contextOf('a')
    const handle = inbox.handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
      expect(await failureOf(inbox.handler(async () => {})(event, other))).toMatchObject({
        code: 'BUSY',
        retryable: true,
      })
    })
    await handle('a', contextOf('a'))
    await inbox.handler(async () => {})('a', other)
    expect(other.isDuplicate).toBe(true)
  })

  it('is BUSY when a lock that the handler needs is not to be had, also through the client of the application', async () => {
    await using database = await withEffects()
    const handle = postgresInbox({ ...database, lockTimeoutMs: 20 }).handler(async (_event, _context, tx) => {
      await (tx.native as pg.PoolClient).query('lock table effect')
    })
    await database.sql.transaction(async tx => {
      await tx.query('lock table effect')
      expect(await failureOf(handle('a', contextOf('a')))).toMatchObject({ code: 'BUSY', retryable: true })
    })
  })

  it('passes on what the client of the application rejects with, without the values of rows', async () => {
    await using database = await withEffects()
    await database.sql.query('create unique index on effect (event)')
    const handle = postgresInbox(database).handler(async (_event, _context, tx) => {
      await (tx.native as pg.PoolClient).query(`insert into effect values ('secret'), ('secret')`)
    })
    const failure = await failureOf(handle('a', contextOf('a')))
    expect(failure).toMatchObject({ name: 'SqlError', code: '23505' })
    expect(failure).not.toHaveProperty('detail')
  })

  it('finds a duplicate, not a second effect, when the connection was lost in COMMIT', async () => {
    await using database = await withEffects()
    await using proxy = await startTcpProxy({ target: database.url })
    const pool = new pg.Pool({ connectionString: proxy.through(database.url) })
    const handle = postgresInbox({ sql: pgSql(pool) }).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
    })
    const cut = proxy.cutBeforeReply(bytes => bytes.includes('commit'))
    expect(await failureOf(handle('a', contextOf('a')))).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    expect(await cut).toBe(true)
    const again = contextOf('a')
    await handle('a', again)
    expect(again.isDuplicate).toBe(true)
    expect(await database.sql.query('select event from effect')).toEqual([{ event: 'a' }])
    await pool.end()
  })

  it('handles an event again when the connection was lost before COMMIT', async () => {
    await using database = await withEffects()
    await using proxy = await startTcpProxy({ target: database.url })
    const pool = new pg.Pool({ connectionString: proxy.through(database.url) })
    let runs = 0
    const handle = postgresInbox({ sql: pgSql(pool) }).handler(async (event: string, _, tx) => {
      await tx.query('insert into effect values ($1)', [event])
      if (++runs === 1) proxy.cut()
    })
    expect(await failureOf(handle('a', contextOf('a')))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await handle('a', contextOf('a'))
    expect(runs).toBe(2)
    expect(await database.sql.query('select event from effect')).toEqual([{ event: 'a' }])
    await pool.end()
  })

  it('purges in batches what is past its retention, and nothing else', async () => {
    await using database = await testDatabase()
    const { sql } = database
    const inbox = postgresInbox({ sql, retentionMs: 3_600_000 })
    await sql.query(
      `insert into mekong.inbox select gen_random_uuid(), now() - interval '2 hours' from generate_series(1, 2500)`,
    )
    await sql.query(
      `insert into mekong.inbox select gen_random_uuid(), now() - interval '30 minutes' from generate_series(1, 10)`,
    )
    const purged = await Promise.all([inbox.purge(), inbox.purge()])
    expect(purged[0] + purged[1]).toBe(2500)
    expect(await sql.query('select count(*)::int as count from mekong.inbox')).toEqual([{ count: 10 }])
  })

  it('says at once what is wrong with its options', async () => {
    await using database = await testDatabase()
    expect(() => postgresInbox({ ...database, retentionMs: 0 })).toThrow(/retentionMs/)
    expect(() => postgresInbox({ ...database, schema: '' })).toThrow(/1 to 63 bytes/)
  })
})
