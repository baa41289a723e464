import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay, type RelaySignal } from '../src/index.ts'
import { createGate } from './support/gate.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

/** A transaction that stays open: with a snapshot, with an id of its own, and with whatever `statement` does. */
async function openTransaction(database: OutboxDatabase, statement: string): Promise<AsyncDisposable> {
  const client = await database.pool.connect()
  await client.query('begin isolation level repeatable read')
  await client.query(statement)
  return {
    async [Symbol.asyncDispose]() {
      await client.query('rollback')
      client.release()
    },
  }
}

const isTruncated = (signal: RelaySignal): boolean => signal.is === 'leaf-truncated'

it('delivers while a transaction elsewhere stays open that has written, and takes its events when it commits', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test', insert: 'at-once' })
  const bus = recordingBus()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, wakeOn: [outbox], tuning: quick })
  await relay.start()
  await using _elsewhere = await openTransaction(database, 'create table elsewhere as select pg_current_xact_id()')
  let committed: Promise<unknown> | undefined
  const commit = createGate()
  const written = createGate()
  committed = database.sql.transaction(async tx => {
    await outbox.publish(tx, 'test.event', { n: 1 }, { key: 'late' })
    written.open()
    await commit.opened
  })
  await written.opened
  for (let round = 0; round < 20; round++) {
    await writeRun({ sql: database.sql, outbox }, 'k', { count: 5, from: 1 + round * 5 })
    await bus.untilSent(5 + round * 5)
  }
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(100))
  commit.open()
  await committed
  await relay.idle()
  expect(numbersOf(bus.log, 'late')).toEqual([1])
})

it('turns the ring and truncates leaves while a transaction keeps dead rows from being removed', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, ringPollMs: 20, rotateAfterMs: 1 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  await using _pin = await openTransaction(database, 'select pg_current_xact_id(), count(*) from mekong.lease')
  for (let round = 0; signals.all.filter(isTruncated).length < 8; round++) {
    await writeRun({ sql: database.sql, outbox }, 'k', { count: 5, from: 1 + round * 5 })
    await bus.untilSent(5 + round * 5)
  }
  await relay.idle()
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(bus.log.length))
  const truncated = new Set(signals.all.flatMap(signal => (signal.is === 'leaf-truncated' ? [signal.leaf] : [])))
  expect(truncated.size).toBe(4)
})

it('delivers, and passes over a leaf, while a transaction that has written to it stays open', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test', insert: 'at-once' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, ringPollMs: 20, rotateAfterMs: 1 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  const commit = createGate()
  const written = createGate()
  const committed = database.sql.transaction(async tx => {
    await outbox.publish(tx, 'test.event', { n: 1 }, { key: 'late' })
    written.open()
    await commit.opened
  })
  await written.opened
  for (let round = 0; signals.all.filter(isTruncated).length < 6; round++) {
    await writeRun({ sql: database.sql, outbox }, 'k', { count: 5, from: 1 + round * 5 })
    await bus.untilSent(5 + round * 5)
  }
  expect(signals.all.some(signal => signal.is === 'leaf-truncated' && signal.leaf === 0)).toBe(false)
  expect(signals.all).toContainEqual({ is: 'leaf-locked', leaf: 0 })
  commit.open()
  await committed
  await relay.idle()
  expect(numbersOf(bus.log, 'late')).toEqual([1])
})

it('delivers what a transaction writes to a leaf that was rotated away and truncated since it looked', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, ringPollMs: 20, rotateAfterMs: 1 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  const client = await database.pool.connect()
  // Its snapshot names leaf 0 for ever; it has no id yet, so that no list of running transactions knows it.
  await client.query('begin isolation level repeatable read')
  await client.query('select leaf from mekong.outbox_rotation')
  for (let round = 0; !signals.all.some(isTruncated); round++) {
    await writeRun({ sql: database.sql, outbox }, 'k', { count: 1, from: 1 + round })
    await bus.untilSent(1 + round)
  }
  const insert = (n: number): Promise<unknown> =>
    client.query(
      `insert into mekong.outbox (id, aggregatetype, aggregateid, type, payload)
       values (gen_random_uuid(), 'test.event', 'straggler', 'test.event', convert_to($1, 'utf8'))`,
      [JSON.stringify({ n })],
    )
  await insert(1)
  await insert(2)
  const { rows } = await client.query(`select distinct leaf from mekong.outbox where aggregateid = 'straggler'`)
  expect(rows).toEqual([{ leaf: 0 }])
  await client.query('commit')
  client.release()
  await relay.idle()
  expect(numbersOf(bus.log, 'straggler')).toEqual([1, 2])
})

it('delivers while somebody who reads the outbox keeps every leaf from being truncated', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, ringPollMs: 20, rotateAfterMs: 1 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  {
    await using _dump = await openTransaction(database, 'lock table mekong.outbox in access share mode')
    for (let round = 0; !signals.all.some(({ is }) => is === 'leaf-locked'); round++) {
      await writeRun({ sql: database.sql, outbox }, 'k', { count: 1, from: 1 + round })
      await bus.untilSent(1 + round)
    }
    expect(signals.all.some(isTruncated)).toBe(false)
  }
  await signals.until(isTruncated)
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(bus.log.length))
})
