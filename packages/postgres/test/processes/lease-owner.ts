import { announce, untilTold } from '@mekong/stack'
import pg from 'pg'
import { fencedLeases } from '../../src/index.ts'
import { pgSql } from '../../src/pg.ts'

// One owner of leases: takes a turn whenever it is told to, and announces what it holds then.
const [url, owner, leaseMs] = process.argv.slice(2) as [string, string, string]
const pool = new pg.Pool({ connectionString: url, maxUses: 1 })
const leases = fencedLeases({ sql: pgSql(pool), set: 'outbox' })
const names = Array.from({ length: 12 }, (_, index) => `bucket ${index}`)
for (;;) {
  await untilTold('turn')
  const { held, surplus } = await leases.balance({ names, owner, leaseMs: Number(leaseMs) })
  await leases.release(surplus)
  await announce(
    'held',
    held.filter(lease => !surplus.includes(lease)),
  )
}
