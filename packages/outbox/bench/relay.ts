// How fast one relay is, with a bus that answers at once: a backlog, a steady stream of small transactions, a takeover.
// Run: node --conditions=mekong-source packages/outbox/bench/relay.ts [events]
import { startPostgres } from '@mekong/stack'
import { createRelay, type Relay } from '../src/index.ts'
import { outboxDatabase } from '../test/support/outbox-database.ts'
import { recordingBus } from '../test/support/recording-bus.ts'

const backlog = Number(process.argv[2] ?? 200_000)

await using server = await startPostgres({ settings: { fsync: 'on' } })
await using database = await outboxDatabase(server.url)
const bus = recordingBus()
const insert = (count: number): Promise<unknown> =>
  database.pool.query(
    `insert into mekong.outbox (id, aggregatetype, aggregateid, type, payload)
     select gen_random_uuid(), 't', 'k' || g % 1000, 't', convert_to(repeat('x', 210), 'utf8') from generate_series(1, $1::int) as g`,
    [count],
  )
const startRelay = async (): Promise<Relay> => {
  const relay = createRelay({ sql: database.sql, eventBus: bus })
  await relay.start()
  return relay
}
const timed = async (name: string, work: () => Promise<number>): Promise<void> => {
  const startedAt = performance.now()
  const events = await work()
  const ms = performance.now() - startedAt
  console.log(`${name.padEnd(44)} ${ms.toFixed(0).padStart(7)} ms  ${((events / ms) * 1000).toFixed(0).padStart(7)}/s`)
}

await insert(backlog)
const relay = await startRelay()
await timed(`a backlog of ${backlog}`, async () => {
  await bus.untilSent(backlog)
  return backlog
})
await relay.idle()
await timed('500 transactions of 10, each published first', async () => {
  for (let written = 0; written < 5000; written += 10) {
    const target = bus.log.length + 10
    await insert(10)
    await bus.untilSent(target)
  }
  return 5000
})
await relay.close()
await insert(1)
const sent = bus.log.length
await using heir = await startRelay()
await timed(`the first event after a takeover, ${sent} marked`, async () => {
  await bus.untilSent(sent + 1)
  return 1
})
await heir.close()
