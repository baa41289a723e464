import { announce, untilTold } from '@mekong/stack'
import pg from 'pg'
import { postgresInbox } from '../../src/index.ts'
import { pgSql } from '../../src/pg.ts'

// Handles one event, and stands still in the middle of its transaction until it is told to go on.
const [url, event] = process.argv.slice(2) as [string, string]
const pool = new pg.Pool({ connectionString: url })
const inbox = postgresInbox({ sql: pgSql(pool), idleTimeoutMs: 1_000 })
const handle = inbox.handler(async (name: string, _, tx) => {
  await tx.query('insert into effect values ($1, $2)', [name, 'zombie'])
  await announce('in transaction')
  await untilTold('go on')
  await tx.query('insert into effect values ($1, $2)', [name, 'zombie, later'])
})
try {
  await handle(event, {
    identity: { scope: 'inventory order.created', event },
    signal: new AbortController().signal,
    markDuplicate: () => {},
  })
  await announce('ended', 'committed')
} catch (error) {
  await announce('ended', (error as { code?: string }).code)
}
await pool.end()
