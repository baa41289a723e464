import { systemClock } from '@mekong/core'
import { type Sql, tablesOf } from '@mekong/postgres'
import { describe, expect, inject, it } from 'vitest'
import { createRing, type Ring } from '../src/ring.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { createSignals, type Signals } from './support/signals.ts'

// No relay runs here: what is delivered is what the test marks.
const ringOf = (sql: Sql): { readonly ring: Ring; readonly signals: Signals } => {
  const signals = createSignals()
  const tuning = { ringPollMs: 1, rotateAfterMs: 600_000, rotateAfterBytes: 1 }
  const ring = createRing({ sql, table: tablesOf(), leaves: 4, clock: systemClock, observe: signals.observe, tuning })
  return { ring, signals }
}

const insert = (database: Pick<OutboxDatabase['pool'], 'query'>, count = 1): Promise<unknown> =>
  database.query(
    `insert into mekong.outbox (id, aggregatetype, type, payload)
     select gen_random_uuid(), 't', 't', '' from generate_series(1, $1::int)`,
    [count],
  )

const markAll = ({ pool }: OutboxDatabase): Promise<unknown> =>
  pool.query(`insert into mekong.outbox_delivered select leaf, position, 1 from mekong.outbox on conflict do nothing`)

const rowsIn = async ({ pool }: OutboxDatabase): Promise<number> =>
  (await pool.query('select count(*)::int as rows from mekong.outbox')).rows[0].rows

/** Runs `before` between the look for undelivered rows and the lock. */
const interrupted = (sql: Sql, before: () => Promise<unknown>): Sql => ({
  query: sql.query,
  async transaction(work, options) {
    await before()
    return sql.transaction(work, options)
  },
})

describe('the ring', () => {
  it('rotates away from a leaf with rows, and truncates it when all are marked', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const { ring, signals } = ringOf(database.sql)
    await ring.turn()
    expect(signals.all).toEqual([])
    await insert(database.pool, 3)
    await ring.turn()
    await insert(database.pool, 2)
    await ring.turn()
    expect(await rowsIn(database)).toBe(5)
    await markAll(database)
    await expect.poll(() => ring.turn().then(() => rowsIn(database))).toBe(0)
    expect(signals.all.filter(({ is }) => is === 'leaf-rotated')).toEqual([
      { is: 'leaf-rotated', from: 0, to: 1 },
      { is: 'leaf-rotated', from: 1, to: 2 },
    ])
    const { rows } = await database.pool.query('select count(*)::int as marks from mekong.outbox_delivered')
    expect(rows).toEqual([{ marks: 0 }])
  })

  it('never truncates a leaf with a row that is not marked', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const { ring, signals } = ringOf(database.sql)
    await insert(database.pool, 3)
    await markAll(database)
    await insert(database.pool)
    for (let turns = 0; turns < 20; turns++) await ring.turn()
    expect(await rowsIn(database)).toBe(4)
    expect(signals.all).toEqual([{ is: 'leaf-rotated', from: 0, to: 1 }])
  })

  it('sees a row that was committed after the look and before the lock', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const client = await database.pool.connect()
    let isCommitted = false
    const commit = async (): Promise<void> => {
      if (!isCommitted) await client.query('commit')
      isCommitted = true
    }
    const { ring } = ringOf(interrupted(database.sql, commit))
    await insert(database.pool, 3)
    await markAll(database)
    await client.query('begin')
    await insert(client)
    // The first turn rotates, the second looks, and is interrupted.
    await ring.turn()
    await ring.turn()
    expect(isCommitted).toBe(true)
    client.release()
    for (let turns = 0; turns < 20; turns++) await ring.turn()
    expect(await rowsIn(database)).toBe(4)
  })

  it('waits with every leaf full, and writes on into the last', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const { ring, signals } = ringOf(database.sql)
    for (let round = 0; round < 8; round++) {
      await insert(database.pool)
      await ring.turn()
    }
    expect(signals.all.map(signal => signal.is === 'leaf-rotated' && signal.to)).toEqual([1, 2, 3])
    const { rows } = await database.pool.query('select count(*)::int as rows from mekong.outbox_3')
    expect(rows).toEqual([{ rows: 5 }])
  })

  it('is turned once by two at the same time', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const rings = [ringOf(database.sql), ringOf(database.sql), ringOf(database.sql)]
    await insert(database.pool)
    await Promise.all(rings.map(({ ring }) => ring.turn()))
    const { rows } = await database.pool.query('select max(number)::int as number from mekong.outbox_rotation')
    expect(rows).toEqual([{ number: 2 }])
    expect(rings.flatMap(({ signals }) => signals.all).length).toBe(1)
  })
})
