import { pgSql } from '@mekong/postgres/pg'
import { Pool } from 'pg'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { recordingBus } from './support/recording-bus.ts'
import { quick } from './support/tuning.ts'
import { createCounters, duplicates, violations, writeInParallel } from './support/writers.ts'

it('needs no session: every transaction may run on another connection', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const random = createRandom()
  await createCounters(database.sql, 20)
  // As behind a pooler in transaction mode, but surely: no connection is used twice.
  const pool = new Pool({ connectionString: database.url, max: 8, maxUses: 1 })
  const outbox = createOutbox({ source: 'test', order: 'locked' })
  const bus = recordingBus()
  {
    await using relay = createRelay({
      sql: pgSql(pool),
      eventBus: bus,
      tuning: { ...quick, ringPollMs: 50, rotateAfterMs: 50 },
    })
    await relay.start()
    const written = await writeInParallel({
      sql: database.sql,
      outbox,
      random,
      events: 500,
      keys: 20,
      parallel: 4,
      maxPauseMs: 10,
    })
    await relay.idle()
    expect(violations(bus.log, written), `seed ${random.seed}`).toEqual([])
    expect(duplicates(bus.log)).toBe(0)
  }
  await pool.end()
})
