import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

/** Makes the tables look as if they had come from a server whose transaction ids are far ahead of this one's. */
async function comeFromElsewhere(database: OutboxDatabase): Promise<void> {
  await database.pool.query(`update mekong.outbox set xid = (1000000000 + xid::text::bigint)::text::xid8`)
  await database.pool.query(`update mekong.outbox_ring set system_identifier = 'another'`)
}

it('publishes what a restored database brought along, and what comes then, once', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const at = { sql: database.sql, outbox }
  const bus = recordingBus()
  {
    await using relay = createRelay({ sql: database.sql, eventBus: bus, tuning: quick })
    await relay.start()
    await writeRun(at, 'k', { count: 5 })
    await relay.idle()
  }
  await writeRun(at, 'k', { count: 5, from: 6 })
  await comeFromElsewhere(database)
  const signals = createSignals()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning: quick })
  await relay.start()
  await relay.idle()
  for (let round = 0; round < 5; round++) {
    await writeRun(at, 'k', { count: 1, from: 11 + round })
    await relay.idle()
  }
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(15))
  expect(signals.all).toContainEqual({ is: 'transactions-renumbered', rows: 10 })
})

it('renumbers once when several relays find the restored database', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 5 })
  await comeFromElsewhere(database)
  const bus = recordingBus()
  const signals = createSignals()
  const relays = Array.from({ length: 3 }, () =>
    createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning: quick }),
  )
  await Promise.all(relays.map(relay => relay.start()))
  await relays[0]!.idle()
  await Promise.all(relays.map(relay => relay.close()))
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(5))
  const renumbered = signals.all.flatMap(signal => (signal.is === 'transactions-renumbered' ? [signal.rows] : []))
  expect(renumbered.reduce((sum, rows) => sum + rows, 0)).toBe(5)
})
