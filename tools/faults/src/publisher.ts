// A process that publishes the load, in order, and notes in the database what was confirmed. Started again it goes on
// behind what it had noted: what was confirmed and not yet noted is published twice, with the same id.
import { createEventBus, type EventToPublish } from '@mekong/core'
import { announce } from '@mekong/stack'
import pg from 'pg'
import { setTimeout as pause } from 'node:timers/promises'
import { idempotencyKeyOf, type Numbered, numbered } from './load.ts'
import { readSettings } from './settings.ts'

const settings = readSettings()
const { broker, databaseUrl, type, load, eventsPerSecond } = settings
const batchSize = 200
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, connectionTimeoutMillis: 5000 })
pool.on('error', () => undefined)
const eventBus = await createEventBus({
  service: 'publisher',
  broker,
  topology: 'skip',
  publish: { timeoutMs: 120_000 },
})

const { rows } = await pool.query<{ noted: number }>('select coalesce(max(index), -1)::int as noted from confirmed')
const queue = [...numbered(load)].slice((rows[0]?.noted ?? -1) + 1)
await announce('publishing', { left: queue.length })
let index = load.events - queue.length
for (let at = 0; at < queue.length; at += batchSize) {
  const paced = pause((batchSize / eventsPerSecond) * 1000)
  const batch = queue.slice(at, at + batchSize)
  await publishAll(batch)
  await note(batch, index)
  index += batch.length
  await announce('published', { events: index })
  await paced
}
await eventBus.close()
await pool.end()
await announce('done')
process.exit(0)

/** Events of a key behind one that failed are not sent, so all that failed goes again, in order. */
async function publishAll(batch: readonly Numbered[]): Promise<void> {
  let left = batch
  while (left.length > 0) {
    const results = await eventBus.publishMany(left.map(toPublish))
    left = left.filter((_, at) => results[at]?.is !== 'published')
  }
}

function toPublish(event: Numbered): EventToPublish {
  return {
    type,
    data: event,
    options: { key: event.key, idempotencyKey: idempotencyKeyOf(event) },
  }
}

async function note(batch: readonly Numbered[], first: number): Promise<void> {
  const columns = [batch.map((_, at) => first + at), batch.map(({ key }) => key), batch.map(({ number }) => number)]
  for (;;) {
    try {
      await pool.query(
        'insert into confirmed select * from unnest($1::int[], $2::text[], $3::int[]) on conflict do nothing',
        columns,
      )
      return
    } catch {
      await pause(100) // the database is being restarted
    }
  }
}
