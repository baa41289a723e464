import { MekongError } from '@mekong/core'
import { describe, expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { createGate } from './support/gate.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

describe('order by key', () => {
  it('sends a run of one key in one call', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test' })
    await writeRun({ sql: database.sql, outbox }, 'hot', { count: 1000 })
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    await relay.idle()
    expect(numbersOf(bus.log, 'hot')).toEqual(upTo(1000))
    expect(bus.calls.length).toBe(5)
  })

  it('sends other keys while one is with the broker, and nothing more of that one', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test' })
    const at = { sql: database.sql, outbox }
    const bus = recordingBus()
    const answer = createGate()
    bus.before = events => (events.some(({ key }) => key === 'slow') ? answer.opened : Promise.resolve())
    await using relay = createRelay({ sql: database.sql, eventBus: bus, wakeOn: [outbox] })
    await relay.start()
    await writeRun(at, 'slow', { count: 3 })
    await expect.poll(() => bus.calls.length).toBe(1)
    await writeRun(at, 'slow', { count: 3, from: 4 })
    await writeRun(at, 'quick', { count: 5 })
    await bus.untilSent(5)
    expect(numbersOf(bus.log, 'quick')).toEqual(upTo(5))
    expect(bus.calls.flat().filter(({ key }) => key === 'slow').length).toBe(3)
    answer.open()
    await relay.idle()
    expect(numbersOf(bus.log, 'slow')).toEqual(upTo(6))
  })

  it('goes on behind what was published of a run when the rest failed', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test' })
    const bus = recordingBus()
    let failures = 3
    bus.answer = ({ body }) => {
      const { n } = JSON.parse(Buffer.from(body).toString()) as { n: number }
      return n === 4 && failures-- > 0 ? new MekongError('PUBLISH_UNKNOWN', 'no answer') : 'published'
    }
    await writeRun({ sql: database.sql, outbox }, 'k', { count: 10 })
    await using relay = createRelay({ sql: database.sql, eventBus: bus, tuning: { retryDelayMs: 5 } })
    await relay.start()
    await relay.idle()
    expect(numbersOf(bus.log, 'k')).toEqual(upTo(10))
  })
})

describe("order: 'locked'", () => {
  it('makes two transactions that write one key follow each other, and leaves other keys alone', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test', order: 'locked', insert: 'at-once' })
    const publish = (n: number, key: string, before: Promise<void>, written: () => void): Promise<unknown> =>
      database.sql.transaction(async tx => {
        await outbox.publish(tx, 'test.event', { n }, { key })
        written()
        await before
      })
    const commit = createGate()
    const written = createGate()
    const first = publish(1, 'k', commit.opened, written.open)
    await written.opened
    let hasSecondWritten = false
    const second = publish(2, 'k', Promise.resolve(), () => (hasSecondWritten = true))
    await publish(1, 'other', Promise.resolve(), () => {})
    const waits = 'select count(*)::int as waiting from pg_locks where locktype = $1 and not granted'
    await expect.poll(async () => (await database.pool.query(waits, ['advisory'])).rows[0].waiting).toBe(1)
    expect(hasSecondWritten).toBe(false)
    commit.open()
    await Promise.all([first, second])
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    await relay.idle()
    expect(numbersOf(bus.log, 'k')).toEqual([1, 2])
  })

  it('locks many keys in one order, so that nobody waits in a circle', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test', order: 'locked' })
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    const events = (order: readonly string[]): { type: string; data: object; options: { key: string } }[] =>
      order.map(key => ({ type: 'test.event', data: { n: 1 }, options: { key } }))
    const rounds = Array.from({ length: 40 }, (_, round) => (round % 2 === 0 ? keys : keys.toReversed()))
    await Promise.all(rounds.map(order => database.sql.transaction(tx => outbox.publishMany(tx, events(order)))))
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    await relay.idle()
    expect(bus.log.length).toBe(800)
  })
})
