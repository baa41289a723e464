import { createEventBus, type EventBus } from '@mekong/core'
import { expect, inject, it } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { createGate } from './support/gate.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { createSignals } from './support/signals.ts'
import { quick } from './support/tuning.ts'
import { numbersOf, upTo, writeRun } from './support/writing.ts'

const openBus = (): Promise<EventBus> => createEventBus({ service: 'test', broker: 'memory:' })

it('hands every event to the handlers of a bus in memory, in order by key', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  await using eventBus = await openBus()
  const handled: { key: string | undefined; body: string }[] = []
  eventBus.subscribe('test.event', (event, { key }) => void handled.push({ key, body: JSON.stringify(event) }))
  await eventBus.start()
  await using relay = createRelay({ sql: database.sql, eventBus, wakeOn: [outbox], tuning: quick })
  await relay.start()
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      keys.map(key => writeRun({ sql: database.sql, outbox }, key, { count: 10, from: 1 + round * 10 })),
    )
  }
  await relay.idle()
  for (const key of keys) expect(numbersOf(handled, key)).toEqual(upTo(50))
})

it('keeps an event until its handler is done, so that the end of the process strands nothing', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 1 })
  {
    const eventBus = await openBus()
    const never = createGate()
    const begun = createGate()
    eventBus.subscribe('test.event', () => {
      begun.open()
      return never.opened
    })
    await eventBus.start()
    const relay = createRelay({ sql: database.sql, eventBus, tuning: quick })
    await relay.start()
    await begun.opened
    expect(await relay.stats()).toMatchObject({ undelivered: 1, inHand: 1 })
    // What a crash leaves: the handler never ends, and nobody waits for it.
    await Promise.all([relay.close({ timeoutMs: 1 }), eventBus.close({ timeoutMs: 1 })])
  }
  await using eventBus = await openBus()
  const handled: unknown[] = []
  eventBus.subscribe('test.event', event => void handled.push(event))
  await eventBus.start()
  await using relay = createRelay({ sql: database.sql, eventBus, tuning: quick })
  await relay.start()
  await relay.idle()
  expect(handled).toEqual([{ n: 1 }])
})

it('does not let a slow handler of one key hold up the others', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  await using eventBus = await openBus()
  const slow = createGate()
  const handled: { key: string | undefined; body: string }[] = []
  eventBus.subscribe('test.event', async (event, { key }) => {
    if (key === 'slow') await slow.opened
    handled.push({ key, body: JSON.stringify(event) })
  })
  await eventBus.start()
  const signals = createSignals()
  await using relay = createRelay({
    sql: database.sql,
    eventBus,
    wakeOn: [outbox],
    observe: signals.observe,
    tuning: quick,
  })
  await relay.start()
  await writeRun({ sql: database.sql, outbox }, 'slow', { count: 2 })
  await writeRun({ sql: database.sql, outbox }, 'k', { count: 20 })
  await expect.poll(() => numbersOf(handled, 'k')).toEqual(upTo(20))
  await expect.poll(async () => (await relay.stats()).undelivered).toBe(2)
  slow.open()
  await relay.idle()
  expect(numbersOf(handled, 'slow')).toEqual(upTo(2))
})

it('blocks the key of an event that is too large for the broker, with what was sent along with it', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  await using eventBus = await openBus()
  const handled: number[] = []
  eventBus.subscribe('test.event', event => void handled.push((event as { n: number }).n))
  await eventBus.start()
  const events = [1, 2, 3, 4].map(n => ({
    type: 'test.event',
    data: { n, padding: n === 2 ? 'x'.repeat(20_000_000) : '' },
    options: { key: 'k' },
  }))
  await database.sql.transaction(tx => outbox.publishMany(tx, events))
  // As on a broker that keeps what it stored: runs of a key go in one call.
  const durable = { forward: eventBus.forward.bind(eventBus), isDurable: () => true }
  const tuning = { ...quick, readBytes: 64_000_000, maxBytes: 128_000_000 }
  await using relay = createRelay({ sql: database.sql, eventBus: durable, tuning })
  await relay.start()
  await relay.idle()
  expect(await relay.dead.list()).toMatchObject([{ key: 'k', waiting: 2 }])
  await expect.poll(() => handled).toEqual([1])
})
