import { systemClock } from '@mekong/core'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay, type Relay } from '../src/index.ts'
import { createGate } from './support/gate.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { createCounters, duplicates, violations, writeInParallel } from './support/writers.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

const bucketsOf = async (relays: readonly Relay[]): Promise<readonly number[]> => {
  const stats = await Promise.all(relays.map(relay => relay.stats()))
  return stats.map(({ buckets }) => buckets.length)
}

it('shares the buckets out over all relays, and anew when one comes or goes, without a duplicate', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const random = createRandom()
  await createCounters(database.sql, 50)
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  bus.before = () => new Promise(resolve => setImmediate(resolve))
  const open = async (): Promise<Relay> => {
    const relay = createRelay({ sql: database.sql, eventBus: bus, wakeOn: [outbox], tuning: quick })
    await relay.start()
    return relay
  }
  let isStopped = false
  const writing = writeInParallel({
    sql: database.sql,
    outbox,
    random,
    isStopped: () => isStopped,
    events: 1_000_000,
    keys: 50,
    parallel: 4,
    maxPauseMs: 5,
  })
  await using first = await open()
  await expect.poll(() => bucketsOf([first])).toEqual([16])
  const second = await open()
  await expect.poll(() => bucketsOf([first, second]), { timeout: 5000 }).toEqual([8, 8])
  await using third = await open()
  await expect
    .poll(async () => (await bucketsOf([first, second, third])).toSorted((a, b) => a - b), { timeout: 5000 })
    .toEqual([5, 5, 6])
  await second.close()
  await expect.poll(() => bucketsOf([first, third]), { timeout: 5000 }).toEqual([8, 8])
  isStopped = true
  const written = await writing
  await first.idle()
  expect(violations(bus.log, written), `seed ${random.seed}`).toEqual([])
  expect(duplicates(bus.log), `seed ${random.seed}`).toBe(0)
})

it('starts nothing when its lease is over, and marks nothing when it was taken over', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const answer = createGate()
  bus.before = () => answer.opened
  let sleptMs = 0
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + sleptMs }
  // No heartbeat comes in between.
  const tuning = { ...quick, leaseMs: 60_000, heartbeatMs: 20_000 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, clock, tuning })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3 })
  await expect.poll(() => bus.calls.length).toBe(1)
  sleptMs = 60_000
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3, from: 4 })
  await writeRun({ sql: database.sql, outbox }, 'other', { count: 3 })
  relay.wake()
  await expect.poll(async () => (await relay.stats()).inHand).toBe(9)
  await database.pool.query(
    `update mekong.lease set owner = 'heir', fence = fence + 1, leased_until = now() + interval '1 hour' where "set" = 'outbox'`,
  )
  answer.open()
  await signals.until(signal => signal.is === 'bucket-left' && signal.how === 'lost')
  expect(bus.calls.length).toBe(1)
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(3))
  expect(await database.sql.query('select from mekong.outbox_delivered')).toEqual([])
})

it('lets a mark come before a takeover or after it, never beside it', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const signals = createSignals()
  const answer = createGate()
  bus.before = () => answer.opened
  const tuning = { ...quick, leaseMs: 60_000, heartbeatMs: 20_000 }
  await using relay = createRelay({ sql: database.sql, eventBus: bus, observe: signals.observe, tuning })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3 })
  await expect.poll(() => bus.calls.length).toBe(1)
  const heir = await database.pool.connect()
  await heir.query('begin')
  await heir.query(`update mekong.lease set owner = 'heir', fence = fence + 1 where "set" = 'outbox'`)
  answer.open()
  const waiting = `select count(*)::int as waiting from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%outbox_delivered%'`
  await expect.poll(async () => (await database.pool.query(waiting)).rows[0].waiting).toBe(1)
  await heir.query('commit')
  heir.release()
  await signals.until(signal => signal.is === 'bucket-left' && signal.how === 'lost')
  expect(await database.sql.query('select from mekong.outbox_delivered')).toEqual([])
})

it('gives the bus no longer for a call than its lease lasts', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const timeouts: number[] = []
  const { forward } = bus
  const eventBus: Pick<typeof bus, 'forward' | 'isDurable'> = {
    isDurable: bus.isDurable,
    forward(events, options) {
      timeouts.push(options?.timeoutMs ?? Infinity)
      return forward(events, options)
    },
  }
  await using relay = createRelay({ sql: database.sql, eventBus, tuning: quick })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3 })
  await relay.idle()
  expect(timeouts.length).toBe(1)
  expect(timeouts[0]).toBeLessThanOrEqual(1200)
  expect(timeouts[0]).toBeGreaterThan(0)
})

it('waits at close for what is with the broker, and leaves the rest to the next', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  const answer = createGate()
  bus.before = () => answer.opened
  const relay = createRelay({ sql: database.sql, eventBus: bus, tuning: quick })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3 })
  await expect.poll(() => bus.calls.length).toBe(1)
  const closing = relay.close()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3, from: 4 })
  answer.open()
  await closing
  await relay.close()
  await expect(relay.start()).rejects.toMatchObject({ code: 'INVALID_STATE' })
  await expect(relay.idle()).rejects.toMatchObject({ code: 'INVALID_STATE' })
  await using next = createRelay({ sql: database.sql, eventBus: bus, tuning: quick })
  await next.start()
  await next.idle()
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(6))
})

it('is refused at start without its tables and with tuning that cannot work', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const bus = recordingBus()
  const relay = createRelay({ sql: database.sql, eventBus: bus, schema: 'elsewhere' })
  await expect(relay.start()).rejects.toThrow('elsewhere')
  const invalid = expect.objectContaining({ code: 'INVALID_CONFIGURATION' })
  const withTuning = (tuning: object) => () => createRelay({ sql: database.sql, eventBus: bus, tuning })
  expect(withTuning({ leaseMs: 0 })).toThrow(invalid)
  expect(withTuning({ leaseMs: 3000 })).toThrow(invalid)
  expect(withTuning({ leasMs: 3000 })).toThrow(invalid)
  expect(withTuning({ maxRows: 10 })).toThrow(invalid)
})
