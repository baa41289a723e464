import { expect, inject, it } from 'vitest'
import { createRelay } from '../src/index.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { recordingBus, type RecordingBus } from './support/recording-bus.ts'
import { quick } from './support/tuning.ts'

/** Writes batches and waits until each is published; resolves with events a second. */
async function throughput({ pool }: OutboxDatabase, bus: RecordingBus, events: number): Promise<number> {
  const startedAt = performance.now()
  for (let written = 0; written < events; written += 500) {
    const target = bus.log.length + 500
    await pool.query(
      `insert into mekong.outbox (id, aggregatetype, aggregateid, type, payload)
       select gen_random_uuid(), 't', 'k' || g % 100, 't', '{"n":1}' from generate_series(1, 500) as g`,
    )
    await bus.untilSent(target)
  }
  return (events / (performance.now() - startedAt)) * 1000
}

async function relayed(url: string): Promise<{ database: OutboxDatabase; bus: RecordingBus } & AsyncDisposable> {
  const database = await outboxDatabase(url)
  const bus = recordingBus()
  const tuning = { ...quick, ringPollMs: 50, rotateAfterMs: 100 }
  const relay = createRelay({ sql: database.sql, eventBus: bus, tuning })
  await relay.start()
  return {
    database,
    bus,
    async [Symbol.asyncDispose]() {
      await relay.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

it('is no slower, and leaves no dead rows behind, while a transaction keeps Postgres from removing them', async () => {
  await using pinned = await relayed(inject('postgresUrl'))
  await using free = await relayed(inject('postgresUrl'))
  const pin = await pinned.database.pool.connect()
  await pin.query('begin isolation level repeatable read')
  await pin.query('select pg_current_xact_id()')
  // As much as would be in the way of a queue that updates or deletes its rows.
  for (const { database, bus } of [pinned, free]) await throughput(database, bus, 15_000)
  // In turns, and the best round of each: whatever else the machine does only ever makes a round slower.
  const best = new Map<typeof pinned, number>()
  for (let round = 0; round < 7; round++) {
    for (const side of round % 2 === 0 ? [pinned, free] : [free, pinned]) {
      best.set(side, Math.max(best.get(side) ?? 0, await throughput(side.database, side.bus, 3000)))
    }
  }
  const { rows } = await pinned.database.pool.query(
    `select coalesce(sum(n_dead_tup), 0)::int as dead, coalesce(sum(n_tup_upd + n_tup_del), 0)::int as changed
     from pg_stat_all_tables where schemaname = 'mekong' and relname ~ '^outbox'`,
  )
  await pin.query('rollback')
  pin.release()
  expect(best.get(pinned)! / best.get(free)!).toBeGreaterThan(0.85)
  // Old rotations, and nothing for any event.
  expect(rows[0].changed).toBeLessThan(500)
  expect(rows[0].dead).toBeLessThan(500)
})
