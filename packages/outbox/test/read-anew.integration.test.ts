import { MekongError } from '@mekong/core'
import type { Sql } from '@mekong/postgres'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { createGate } from './support/gate.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

/** What a read meets once, when it is set. */
type Mishap = 'lost connection' | 'another server'

/** A seam whose next read meets with a mishap when one is set. */
function mishaps(sql: Sql): Sql & { next: Mishap | undefined } {
  const seam: Sql & { next: Mishap | undefined } = {
    next: undefined,
    transaction: (work, options) => sql.transaction(work, options),
    async query<Row>(text: string, parameters?: readonly unknown[]) {
      const isRead = text.includes('pg_visible_in_snapshot')
      const mishap = isRead ? seam.next : undefined
      if (mishap !== undefined) seam.next = undefined
      if (mishap === 'lost connection') throw new MekongError('STORE_UNAVAILABLE', 'lost')
      const rows = await sql.query<Row>(text, parameters)
      return mishap === 'another server' ? rows.map(row => ({ ...row, server: 'another' })) : rows
    },
  }
  return seam
}

it.each(['lost connection', 'another server'] as const)(
  'reads everything undelivered anew after %s, and sends nothing twice',
  async mishap => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'test' })
    const at = { sql: database.sql, outbox }
    const bus = recordingBus()
    const signals = createSignals()
    const answer = createGate()
    bus.before = events => (events.some(({ key }) => key === 'k') ? answer.opened : Promise.resolve())
    const seam = mishaps(database.sql)
    // One event of a key at a time, so that one is with the broker and others are in hand.
    const tuning = { ...quick, runRows: 1 }
    await using relay = createRelay({ sql: seam, eventBus: bus, observe: signals.observe, tuning })
    await relay.start()
    await writeRun(at, 'k', { count: 3 })
    relay.wake()
    await expect.poll(async () => (await relay.stats()).inHand).toBe(3)
    seam.next = mishap
    relay.wake()
    const why = mishap === 'another server' ? 'server-changed' : 'database-failed'
    await signals.until(signal => signal.is === 'read-anew' && signal.why === why)
    await writeRun(at, 'k', { count: 3, from: 4 })
    relay.wake()
    await expect.poll(async () => (await relay.stats()).inHand).toBe(6)
    answer.open()
    await relay.idle()
    expect(numbersOf(bus.log, 'k')).toEqual(upTo(6))
    expect(relay.health()).toEqual({ status: 'ok', problems: [] })
  },
)

it('repeats a mark whose answer was lost', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  let lost = 2
  const sql: Sql = {
    transaction: (work, options) => database.sql.transaction(work, options),
    async query<Row>(text: string, parameters?: readonly unknown[]) {
      const rows = await database.sql.query<Row>(text, parameters)
      if (text.includes('insert into "mekong"."outbox_delivered"') && lost-- > 0) {
        throw new MekongError('STORE_UNAVAILABLE', 'the answer was lost')
      }
      return rows
    },
  }
  await using relay = createRelay({ sql, eventBus: bus, tuning: quick })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 3 })
  await relay.idle()
  expect(lost).toBeLessThanOrEqual(0)
  expect(numbersOf(bus.log, 'k')).toEqual(upTo(3))
})
