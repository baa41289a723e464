import type { Sql } from '@mekong/postgres'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { recordingBus } from './support/recording-bus.ts'
import { quick } from './support/tuning.ts'
import { createCounters, duplicates, violations, type Written, writeInParallel } from './support/writers.ts'

it('loses and reorders nothing of 5,000 events that commit in another order than they draw positions', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const random = createRandom()
  const bus = recordingBus()
  bus.before = () => new Promise(resolve => setImmediate(resolve))
  await createCounters(database.sql, 200)
  const outbox = createOutbox({ source: 'test', insert: 'at-once' })
  await using relay = createRelay({
    sql: database.sql,
    eventBus: bus,
    // Small reads, so that arrivals overflow into stretches too.
    tuning: { ...quick, readRows: 20, maxRows: 200, rotateAfterMs: 600_000 },
  })
  await relay.start()
  const written = await writeInParallel({
    sql: database.sql,
    outbox,
    random,
    events: 5000,
    keys: 200,
    parallel: 16,
    maxPauseMs: 20,
  })
  await relay.idle()
  expect(violations(bus.log, written), `seed ${random.seed}`).toEqual([])
  expect(await lateCommits(database.sql, written), 'the test has to have what it is about').toBeGreaterThan(500)
  expect(bus.log.length, `seed ${random.seed}`).toBe(5000)
  expect(duplicates(bus.log), `seed ${random.seed}`).toBe(0)
})

/** Events that committed when one of a higher position had: what a cursor over positions loses. */
async function lateCommits(sql: Sql, { ids }: Written): Promise<number> {
  const rows = await sql.query<{ id: string; position: number }>(
    'select id::text as id, position::float8 as position from mekong.outbox',
  )
  const positions = new Map(rows.map(({ id, position }) => [id, position]))
  let highest = 0
  let late = 0
  for (const id of ids) {
    const position = positions.get(id)!
    if (position < highest) late++
    highest = Math.max(highest, position)
  }
  return late
}
