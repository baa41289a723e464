import { migrate, postgresMigrations, printMigrations } from '@mekong/postgres'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay, outboxMigrations } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
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

it('works for roles that own nothing, with the privileges that the documentation names', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const role = `writer_${Math.floor(Math.random() * 2 ** 31)}`
  const { pool } = database
  await pool.query(`create role ${role}`)
  await pool.query(`grant usage on schema mekong to ${role}`)
  await pool.query(`grant insert on mekong.outbox to ${role}`)
  await pool.query(`grant select on mekong.outbox_rotation to ${role}`)
  await pool.query(`grant usage on sequence mekong.outbox_position to ${role}`)
  const outbox = createOutbox({ source: 'test', order: 'locked' })
  await database.sql.transaction(async tx => {
    await tx.query(`set local role ${role}`)
    await outbox.publish(tx, 'test.event', { n: 1 }, { key: 'k' })
  })
  expect(await database.sql.query('select count(*)::int as rows from mekong.outbox')).toEqual([{ rows: 1 }])
  await pool.query(`drop owned by ${role}`)
  await pool.query(`drop role ${role}`)
})
