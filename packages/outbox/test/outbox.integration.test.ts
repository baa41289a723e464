import { inject, it, expect } from 'vitest'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'

it('publishes what was committed and nothing else', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  const outbox = createOutbox({ source: 'test' })
  const bus = recordingBus()
  await using relay = createRelay({ sql: database.sql, eventBus: bus, wakeOn: [outbox] })
  await relay.start()
  await database.sql.transaction(async tx => {
    await outbox.publish(tx, 'a.b', { n: 1 }, { key: 'k' })
    await outbox.publish(tx, 'a.b', { n: 2 }, { key: 'k' })
  })
  await bus.untilSent(2)
  await relay.idle()
  expect(bus.log.map(s => s.body)).toEqual(['{"n":1}', '{"n":2}'])
  expect(await relay.stats()).toMatchObject({ undelivered: 0, inHand: 0, blockedKeys: 0 })
  expect(relay.health()).toEqual({ status: 'ok', problems: [] })
})
