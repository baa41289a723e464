import { randomBytes } from 'node:crypto'
import { migrate, postgresMigrations, printMigrations } from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import { Pool } from 'pg'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay, outboxMigrations } from '../src/index.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'

it('can be run again and printed, and several outboxes live in one database', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const all = [...postgresMigrations, ...outboxMigrations()]
  expect(await migrate(database.sql, all)).toEqual([])
  await database.pool.query(printMigrations(all))
  const schema = `it's "another"`
  await database.pool.query(printMigrations(all, { schema }))
  await database.pool.query(printMigrations(all, { schema }))
  expect(await migrate(database.sql, all, { schema })).toEqual([])
  const outbox = createOutbox({ source: 'test', schema })
  const bus = recordingBus()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, schema, tuning: quick })
  await relay.start()
  await database.sql.transaction(tx => outbox.publish(tx, 'test.event', { n: 1 }))
  await relay.idle()
  expect(bus.log.length).toBe(1)
})

/** A role that owns nothing, gone with the test. */
async function bareRole(
  { pool }: OutboxDatabase,
  grants: readonly string[],
): Promise<{ name: string } & AsyncDisposable> {
  const name = `mekong_${randomBytes(6).toString('hex')}`
  await pool.query(`create role ${name}`)
  for (const grant of grants) await pool.query(`grant ${grant} to ${name}`)
  return {
    name,
    async [Symbol.asyncDispose]() {
      await pool.query(`drop owned by ${name}`)
      await pool.query(`drop role ${name}`)
    },
  }
}

it('works for roles that own nothing, with the privileges that the README names', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  await using publisher = await bareRole(database, [
    'usage on schema mekong',
    'usage on sequence mekong.outbox_position',
    'insert on mekong.outbox',
    'select on mekong.outbox_rotation',
  ])
  await using relayer = await bareRole(database, [
    'usage on schema mekong',
    'select, insert, update, delete, truncate on all tables in schema mekong',
  ])
  const outbox = createOutbox({ source: 'test', order: 'locked' })
  const pool = new Pool({ connectionString: database.url, options: `-c role=${relayer.name}` })
  const bus = recordingBus()
  const signals = createSignals()
  {
    const tuning = { ...quick, ringPollMs: 20, rotateAfterMs: 1 }
    await using relay = createRelay({ sql: pgSql(pool), eventBus: bus, observe: signals.observe, tuning })
    await relay.start()
    await database.sql.transaction(async tx => {
      await tx.query(`set local role ${publisher.name}`)
      await outbox.publish(tx, 'test.event', { n: 1 }, { key: 'k' })
    })
    await relay.idle()
    await signals.until(({ is }) => is === 'leaf-truncated')
  }
  await pool.end()
  expect(bus.log.length).toBe(1)
  expect(signals.all.filter(({ is }) => is === 'database-failed')).toEqual([])
})
