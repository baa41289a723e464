import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { postgresHold, postgresInbox, type Sql, sqlOver } from '../src/index.ts'
import { testDatabase } from './database.ts'

/** A client library like many: resolves whatever Postgres answers to COMMIT. */
function libraryOver(pool: pg.Pool): Sql {
  return sqlOver<pg.PoolClient>({
    run: async (text, parameters, client = pool as unknown as pg.PoolClient) =>
      (await client.query(text, [...parameters])).rows as unknown[],
    async transaction(work) {
      const client = await pool.connect()
      client.on('error', () => {})
      try {
        await client.query('begin')
        const value = await work(client)
        await client.query('commit')
        return value
      } catch (error) {
        await client.query('rollback').catch(() => {})
        throw error
      } finally {
        client.release()
      }
    },
  })
}

describe('sqlOver', () => {
  it('carries an inbox: effect, last statements and record commit together, once', async () => {
    await using database = await testDatabase()
    const sql = libraryOver(database.pool)
    await sql.query('create table effect (event text)')
    const order: string[] = []
    const handle = postgresInbox({ sql }).handler(async (event: string, _, tx) => {
      await (tx.native as pg.PoolClient).query('insert into effect values ($1)', [event])
      tx.beforeCommit?.(() => [{ text: 'insert into effect values ($1)', parameters: ['last'] }])
      tx.afterCommit?.(() => order.push('committed'))
      expect(await tx.query(`select current_setting('lock_timeout') as timeout`)).toEqual([{ timeout: '1s' }])
    })
    const signal = new AbortController().signal
    const identity = { scope: 'inventory order.created', event: 'a' }
    await handle('a', { identity, signal, markDuplicate: () => order.push('duplicate') })
    await handle('a', { identity, signal, markDuplicate: () => order.push('duplicate') })
    expect(order).toEqual(['committed', 'duplicate'])
    expect(await sql.query('select event from effect')).toEqual([{ event: 'a' }, { event: 'last' }])
  })

  it('carries a hold store', async () => {
    await using database = await testDatabase()
    const store = postgresHold({ sql: libraryOver(database.pool) })
    const scope = { group: 'inventory', subscription: 'order.created' }
    const message = {
      topic: 't',
      partition: '0',
      position: '1',
      messageId: undefined,
      key: 'k',
      headers: {},
      body: Buffer.from([0, 255]),
    }
    const event = {
      scope,
      event: 'a',
      key: 'k',
      state: 'delayed' as const,
      dueAt: 5,
      message,
      attempts: 1,
      reason: { code: 'Error', message: 'no' },
      heldAt: 4,
      fence: 1,
    }
    expect(await store.hold(event, { maxParkedKeys: 1, maxParkedPerKey: 1 })).toBe('held')
    const [lease] = await store.leaseDue(scope, { owner: 'a', leaseMs: 60_000, limit: 1 })
    expect(await store.head(lease!)).toEqual(event)
    expect(await store.finish(lease!, 'a')).toBe('unparked')
  })

  it('rejects when a statement failed and the work went on as if nothing were', async () => {
    await using database = await testDatabase()
    const work = libraryOver(database.pool).transaction(async tx => {
      await (tx.native as pg.PoolClient).query('select 1/0').catch(() => {})
    })
    await expect(work).rejects.toMatchObject({ name: 'SqlError', code: '25P02' })
  })

  it('rejects with the error of the work, and keeps values out of those of the library', async () => {
    await using database = await testDatabase()
    const sql = libraryOver(database.pool)
    const mistake = new RangeError('no')
    await expect(sql.transaction(() => Promise.reject(mistake))).rejects.toBe(mistake)
    const refused = sql.transaction(tx => tx.query(`select 'secret'::int`))
    await expect(refused).rejects.toMatchObject({
      name: 'SqlError',
      code: '22P02',
      message: expect.not.stringContaining('secret') as string,
    })
  })

  it('says that the outcome is unknown when the connection is lost in COMMIT, and refuses statements after the end', async () => {
    const lost = sqlOver<undefined>({
      run: async () => [],
      async transaction(work) {
        await work(undefined)
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      },
    })
    const transaction = lost.transaction(async tx => tx)
    await expect(transaction).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('unknown') as string,
    })
    const fine = sqlOver<undefined>({ run: async () => [], transaction: work => work(undefined) })
    const tx = await fine.transaction(async open => open)
    await expect(tx.query('select 1')).rejects.toMatchObject({ code: 'INVALID_STATE' })
  })
})
