// A process that handles the load: one member of the group. Each run of the handler leaves a row.
import { createEventBus, type HandlerContext } from '@mekong/core'
import { postgresHold, postgresInbox } from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import { redisIdempotency } from '@mekong/redis'
import { announce, untilTold } from '@mekong/stack'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Numbered } from './load.ts'
import { readSettings } from './settings.ts'

const { broker, databaseUrl, redisUrl, group, type, once, slowMs } = readSettings()
const pool = new pg.Pool({ connectionString: databaseUrl, max: 16, pipeline: true, connectionTimeoutMillis: 5000 })
pool.on('error', () => undefined)
const sql = pgSql(pool)
const inbox = postgresInbox({ sql, lockTimeoutMs: 5000, ...(slowMs > 0 && { idleTimeoutMs: slowMs * 2 }) })
const eventBus = await createEventBus({
  service: group,
  broker,
  topology: 'create',
  topics: { [type]: { partitions: 6 } },
  hold: postgresHold({ sql }),
  ...(once === 'redis' && { idempotency: redisIdempotency({ redis: redisUrl }) }),
  observe: signal => {
    if (signal.is === 'attempt-failed' || signal.is === 'consumer' || signal.is === 'store-unavailable')
      console.log(JSON.stringify(signal, describeErrors))
  },
})

const insert = 'insert into effect (key, number) values ($1, $2)'
const handlers = {
  inbox: inbox.handler(async (event: Numbered, _context: HandlerContext, tx) => {
    await slowDown(event)
    await tx.query(insert, [event.key, event.number])
  }),
  redis: async (event: Numbered) => {
    await slowDown(event)
    await sql.query(insert, [event.key, event.number])
  },
}
let handled = 0
eventBus.subscribe(
  type,
  async (event, context) => {
    await handlers[once](event as Numbered, context)
    if (++handled === 1) await announce('handling')
  },
  { timeoutMs: 60_000 },
)
await eventBus.start()
await announce('started')
process.once('SIGTERM', () => void leave())
await untilTold('leave')
await leave()

async function slowDown({ key, number }: Numbered): Promise<void> {
  if (slowMs > 0 && key === 'key-0' && number === 1) {
    await announce('slow')
    await pause(slowMs)
  }
}

async function leave(): Promise<void> {
  await eventBus.close()
  await pool.end()
  process.exit(0)
}

function describeErrors(_name: string, value: unknown): unknown {
  return value instanceof Error ? `${value.name}: ${value.message}` : value
}
