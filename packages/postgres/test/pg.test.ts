import { describe, expect, it } from 'vitest'
import { type PgPool, type PgQueryConfig, pgSql } from '../src/pg.ts'

/** A pool that answers every statement, and knows what it was sent. */
function recordingPool(answer: (text: string) => unknown): { readonly pool: PgPool; readonly sent: PgQueryConfig[] } {
  const sent: PgQueryConfig[] = []
  const client = {
    on: () => {},
    removeListener: () => {},
    release: () => {},
    query: async (config: PgQueryConfig) => {
      sent.push(config)
      return answer(config.text)
    },
  }
  return { pool: { on: () => {}, connect: async () => client }, sent }
}

describe('pgSql', () => {
  it('sends BEGIN, its settings and its statements in one message, so that none of them runs without BEGIN', async () => {
    const { pool, sent } = recordingPool(text => ({ command: text.toUpperCase(), rows: [] }))
    await pgSql(pool).transaction(async () => {}, {
      lockTimeoutMs: 10.2,
      idleTimeoutMs: 20,
      begin: [{ text: 'insert into inbox values ($1)', parameters: ['a'] }],
    })
    expect(sent.map(({ text, values }) => [text, values])).toEqual([
      [
        `begin; set local lock_timeout = 11; set local idle_in_transaction_session_timeout = 20; insert into inbox values ( 'a' )`,
        undefined,
      ],
      ['commit', undefined],
    ])
  })

  it('refuses a timeout that would switch itself off, before anything has happened', async () => {
    const { pool, sent } = recordingPool(() => ({ command: '', rows: [] }))
    const transaction = pgSql(pool).transaction(async () => {}, { lockTimeoutMs: 0 })
    await expect(transaction).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
    expect(sent.map(({ text }) => text)).toEqual(['rollback'])
    expect(() => pgSql(pool, { timeoutMs: 0 })).toThrow(/timeoutMs/)
  })

  it.each([
    ['28P01', 'Postgres refused the login: correct user, password or database (28P01)'],
    ['3D000', 'Postgres refused the login: correct user, password or database (3D000)'],
    ['ECONNREFUSED', 'Postgres is out of reach, or ended the connection (ECONNREFUSED)'],
  ])('says with %s why there is no connection, and that it may pass', async (code, message) => {
    const error = Object.assign(new Error('password authentication failed for user "shop"'), { code })
    const pool: PgPool = { on: () => {}, connect: () => Promise.reject(error) }
    await expect(pgSql(pool).query('select 1')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      retryable: true,
      message,
    })
  })
})
