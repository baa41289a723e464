import { MekongError, type PreparedEvent } from '@mekong/core'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay, type Relay } from '../src/index.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { recordingBus, type RecordingBus } from './support/recording-bus.ts'
import { createSignals, type Signals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

const numberIn = ({ body }: PreparedEvent): number => (JSON.parse(Buffer.from(body).toString()) as { n: number }).n
const tooLarge = new MekongError('EVENT_TOO_LARGE', 'it has too many bytes')

interface Setting extends AsyncDisposable {
  readonly database: OutboxDatabase
  readonly bus: RecordingBus
  readonly relay: Relay
  readonly signals: Signals
  /** One transaction with `count` events of a key. */
  readonly write: (key: string | undefined, count: number, from?: number) => Promise<readonly string[]>
}

/** A broker that refuses event 3 of key `bad` as long as `isBad`. */
async function setting(tuning: object = {}): Promise<Setting & { isBad: boolean }> {
  const database = await outboxDatabase(inject('postgresUrl'))
  const bus = recordingBus()
  const signals = createSignals()
  const outbox = createOutbox({ source: 'test' })
  const relay = createRelay({
    sql: database.sql,
    eventBus: bus,
    wakeOn: [outbox],
    observe: signals.observe,
    tuning: { ...quick, ...tuning },
  })
  const made = {
    database,
    bus,
    relay,
    signals,
    isBad: true,
    write: (key: string | undefined, count: number, from = 1) =>
      writeRun({ sql: database.sql, outbox }, key, { count, from }),
    async [Symbol.asyncDispose]() {
      await relay.close()
      await database[Symbol.asyncDispose]()
    },
  }
  bus.answer = event => (made.isBad && event.key === 'bad' && numberIn(event) === 3 ? tooLarge : 'published')
  await relay.start()
  return made
}

it('blocks a key behind its dead event, and no other', async () => {
  await using made = await setting()
  const { bus, relay, write } = made
  const ids = await write('bad', 5)
  await write('good', 5)
  await relay.idle()
  await write('bad', 2, 6)
  await write('good', 5, 6)
  await relay.idle()
  expect(numbersOf(bus.log, 'bad')).toEqual([1, 2])
  expect(numbersOf(bus.log, 'good')).toEqual(upTo(10))
  expect(await relay.dead.list()).toMatchObject([
    { id: ids[2], type: 'test.event', key: 'bad', reason: 'EVENT_TOO_LARGE: it has too many bytes', waiting: 4 },
  ])
  expect(relay.health()).toMatchObject({ status: 'degraded', problems: ['1 blocked key: see dead.list()'] })
})

it('lets the leaves of blocked keys be truncated', async () => {
  await using made = await setting({ ringPollMs: 20, rotateAfterMs: 1 })
  await made.write('bad', 5)
  await made.signals.until(({ is }) => is === 'leaf-truncated')
  const [left] = await made.database.sql.query(
    `select count(*)::int as rows from mekong.outbox where aggregateid = 'bad'`,
  )
  expect(left).toEqual({ rows: 0 })
  made.isBad = false
  const [dead] = await made.relay.dead.list()
  await made.relay.dead.retry(dead!.id)
  await made.relay.idle()
  expect(numbersOf(made.bus.log, 'bad')).toEqual(upTo(5))
})

it('publishes a retried event and all that waited, in order, with what comes meanwhile', async () => {
  await using made = await setting()
  const { bus, relay, write, signals } = made
  await write('bad', 500)
  await relay.idle()
  made.isBad = false
  const [dead] = await relay.dead.list()
  expect(await relay.dead.retry(dead!.id)).toBe(true)
  for (let round = 0; round < 20; round++) await write('bad', 10, 501 + round * 10)
  await signals.until(({ is }) => is === 'key-unblocked')
  await write('bad', 10, 701)
  await relay.idle()
  expect(numbersOf(bus.log, 'bad')).toEqual(upTo(710))
  expect(relay.health().status).toBe('ok')
})

it('keeps the key blocked when the retried event is refused again', async () => {
  await using made = await setting()
  const { bus, relay, write } = made
  await write('bad', 5)
  await relay.idle()
  const [dead] = await relay.dead.list()
  await relay.dead.retry(dead!.id)
  await relay.idle()
  expect(await relay.dead.list()).toMatchObject([{ id: dead!.id, waiting: 2 }])
  expect(numbersOf(bus.log, 'bad')).toEqual([1, 2])
})

it('goes on without a discarded event', async () => {
  await using made = await setting()
  const { bus, relay, write } = made
  await write('bad', 5)
  await relay.idle()
  const [dead] = await relay.dead.list()
  expect(await relay.dead.discard(dead!.id)).toBe(true)
  await relay.idle()
  await write('bad', 2, 6)
  await relay.idle()
  expect(numbersOf(bus.log, 'bad')).toEqual([1, 2, 4, 5, 6, 7])
  expect(await relay.dead.list()).toEqual([])
  expect(await relay.dead.discard(dead!.id)).toBe(false)
  expect(await relay.dead.retry(dead!.id)).toBe(false)
})

it('sets a dead event without a key aside and goes on', async () => {
  await using made = await setting()
  const { bus, relay, write } = made
  bus.answer = event => (made.isBad && numberIn(event) === 2 ? tooLarge : 'published')
  await write(undefined, 3)
  await relay.idle()
  // Without a key there is no order.
  expect(bus.log.map(({ body }) => body).toSorted()).toEqual(['{"n":1}', '{"n":3}'])
  const [dead] = await relay.dead.list()
  expect(dead).toMatchObject({ key: undefined, waiting: 0 })
  made.isBad = false
  await relay.dead.retry(dead!.id)
  await relay.idle()
  expect(bus.log.length).toBe(3)
  expect(bus.log.at(-1)?.body).toBe('{"n":2}')
})

it('keeps a key blocked across a takeover', async () => {
  await using made = await setting()
  const { database, bus, relay, write } = made
  await write('bad', 5)
  await relay.idle()
  await relay.close()
  await write('bad', 5, 6)
  await using next = createRelay({ sql: database.sql, eventBus: bus, tuning: quick })
  await next.start()
  await next.idle()
  expect(numbersOf(bus.log, 'bad')).toEqual([1, 2])
  made.isBad = false
  const [dead] = await next.dead.list()
  expect(dead).toMatchObject({ waiting: 7 })
  await next.dead.retry(dead!.id)
  await next.idle()
  expect(numbersOf(bus.log, 'bad')).toEqual(upTo(10))
})

it('keeps an event in its place when no more keys may be blocked', async () => {
  await using made = await setting({ maxBlockedKeys: 1, retryDelayMs: 5, maxRetryDelayMs: 20 })
  const { bus, relay, write, signals } = made
  bus.answer = event => (made.isBad && event.key?.startsWith('bad') === true ? tooLarge : 'published')
  await write('bad1', 2)
  await relay.idle()
  await write('bad2', 2)
  await write('good', 2)
  await bus.untilSent(2)
  await signals.until(({ is }) => is === 'forward-failed')
  expect(await relay.dead.list()).toMatchObject([{ key: 'bad1' }])
  made.isBad = false
  await bus.untilSent(4)
  expect(numbersOf(bus.log, 'bad2')).toEqual([1, 2])
})
