import { type PostgresServer, startPostgres } from '@mekong/stack'
import { expect, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { createCounters, readCounts, violations, writeInParallel } from './support/writers.ts'

it.each(['SIGINT', 'SIGKILL'] as const)('goes on after Postgres was ended by %s and restarted', async signal => {
  await using server: PostgresServer = await startPostgres({ storage: 'memory' })
  await using database = await outboxDatabase(server.url)
  const random = createRandom()
  await createCounters(database.sql, 50)
  const outbox = createOutbox({ source: 'test', insert: 'at-once' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, rotateAfterMs: 200 }
  await using relay = createRelay({
    sql: database.sql,
    eventBus: bus,
    wakeOn: [outbox],
    observe: signals.observe,
    tuning,
  })
  await relay.start()
  let isStopped = false
  const writing = writeInParallel({
    sql: database.sql,
    outbox,
    random,
    isStopped: () => isStopped,
    mayFail: true,
    events: 1_000_000,
    keys: 50,
    parallel: 4,
    maxPauseMs: 5,
  })
  for (let restarts = 0; restarts < 2; restarts++) {
    await bus.untilSent(bus.log.length + 200)
    await server.kill(signal)
    await signals.until(({ is }) => is === 'read-anew')
    expect(relay.health().status).toBe('degraded')
    await server.restart()
    await bus.untilSent(bus.log.length + 200)
  }
  isStopped = true
  await writing
  await relay.idle()
  expect(violations(bus.log, await readCounts(database.sql)), `seed ${random.seed}`).toEqual([])
  await expect.poll(() => relay.health(), { timeout: 5000 }).toEqual({ status: 'ok', problems: [] })
})
