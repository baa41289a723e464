import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pgSql } from '@mekong/postgres/pg'
import { announce, untilTold } from '@mekong/stack'
import pg from 'pg'
import { createRelay } from '../../src/index.ts'
import { quick } from '../support/tuning.ts'

// One relay. Its broker is a file that all relays append to: whole calls, in the order in which they arrive.
const [url, log] = process.argv.slice(2) as [string, string]
const sql = pgSql(new pg.Pool({ connectionString: url, max: 5 }))
const relay = createRelay({
  sql,
  eventBus: {
    isDurable: () => true,
    async forward(events) {
      await sleep(1)
      const lines = events.map(({ id, key, body }) => JSON.stringify({ id, key, body: Buffer.from(body).toString() }))
      appendFileSync(log, `${lines.join('\n')}\n`)
      // With the broker, and its answer still on the way.
      await sleep(1)
      return events.map(({ id, type, topic }) => ({ is: 'published', receipt: { id, type, topic } }))
    },
  },
  tuning: { ...quick, batchRows: 20 },
  observe: signal => {
    if (signal.is === 'bucket-taken' || signal.is === 'bucket-left') void announce(signal.is, signal)
  },
})
await relay.start()
await announce('started')
await untilTold('close')
await relay.close()
await announce('closed')
process.exit(0)
