import { MekongError } from '@mekong/core'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { createCounters, violations, writeInParallel } from './support/writers.ts'

const passing = ['PUBLISH_NOT_SENT', 'PUBLISH_UNKNOWN', 'BROKER_UNAVAILABLE', 'BUFFER_FULL', 'BUS_CLOSED'] as const

it.each(passing)('keeps events and their order through an outage that answers %s', async code => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const random = createRandom()
  await createCounters(database.sql, 20)
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const tuning = { ...quick, retryDelayMs: 2, maxRetryDelayMs: 20 }
  await using relay = createRelay({
    sql: database.sql,
    eventBus: bus,
    wakeOn: [outbox],
    observe: signals.observe,
    tuning,
  })
  await relay.start()
  bus.answer = () => new MekongError(code, 'the broker is away')
  const write = { sql: database.sql, outbox, random, keys: 20, parallel: 4, maxPauseMs: 2 }
  const written = await writeInParallel({ ...write, events: 300 })
  await signals.until(({ is }) => is === 'forward-failed')
  expect(bus.log).toEqual([])
  expect(relay.health().status).toBe('degraded')
  expect(await relay.stats()).toMatchObject({ undelivered: 300, deadEvents: 0 })
  bus.answer = () => 'published'
  await relay.idle()
  expect(violations(bus.log, written), `seed ${random.seed}`).toEqual([])
  expect(relay.health()).toEqual({ status: 'ok', problems: [] })
})

it('survives a bus that throws, rejects, or answers nothing', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const answers = [
    () => Promise.reject(new Error('rejected')),
    () => Promise.resolve([]),
    () => {
      throw new Error('thrown')
    },
  ]
  const { forward } = bus
  const eventBus = { ...bus, forward: (...call: Parameters<typeof forward>) => (answers.pop() ?? forward)(...call) }
  await using relay = createRelay({ sql: database.sql, eventBus, tuning: { ...quick, retryDelayMs: 2 } })
  await relay.start()
  await database.sql.transaction(tx => outbox.publish(tx, 'test.event', { n: 1 }, { key: 'k' }))
  await relay.idle()
  expect(bus.log.map(({ body }) => body)).toEqual(['{"n":1}'])
  expect(answers).toEqual([])
})

it('does not fill its memory while the broker is away', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const bus = recordingBus()
  bus.answer = () => new MekongError('BROKER_UNAVAILABLE', 'the broker is away')
  const tuning = { ...quick, readRows: 50, maxRows: 200, retryDelayMs: 2, maxRetryDelayMs: 20 }
  const signals = createSignals()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  await database.pool.query(
    `insert into mekong.outbox (id, aggregatetype, aggregateid, type, payload)
     select gen_random_uuid(), 't', 'k' || g % 500, 't', '{}' from generate_series(1, 5000) as g`,
  )
  let isSteady = 0
  for (let failures = 0; isSteady < 3; failures++) {
    await signals.until(() => signals.all.filter(({ is }) => is === 'forward-failed').length > failures * 20)
    const { inHand } = await relay.stats()
    expect(inHand).toBeLessThanOrEqual(200)
    if (inHand > 150) isSteady++
  }
  bus.answer = () => 'published'
  await relay.idle()
  expect(new Set(bus.log.map(({ id }) => id)).size).toBe(5000)
})

it('bounds a read by bytes, and reads what is larger alone', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const tuning = { ...quick, readBytes: 10_000, maxBytes: 20_000 }
  const signals = createSignals()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  const sizes = [4000, 4000, 4000, 50_000, 10, 9000, 2000]
  await database.sql.transaction(tx =>
    outbox.publishMany(
      tx,
      sizes.map(size => ({ type: 'test.event', data: 'x'.repeat(size - 2), options: { key: 'k' } })),
    ),
  )
  await relay.idle()
  expect(bus.log.map(({ body }) => body.length)).toEqual(sizes)
  const reads = signals.all.flatMap(signal => (signal.is === 'read' ? [signal.rows] : []))
  expect(reads.reduce((sum, rows) => sum + rows, 0)).toBe(sizes.length)
  expect(Math.max(...reads)).toBeLessThanOrEqual(3)
})
