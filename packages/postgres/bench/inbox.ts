// How much the inbox costs: handler transactions a second with one business insert each, with and without it.
// Short rounds in turn, and the median of each round's ratio, so that other load on the machine matters little.
// Run: node --conditions=mekong-source packages/postgres/bench/inbox.ts [rounds]
import { startPostgres } from '@mekong/stack'
import pg from 'pg'
import { migrate, postgresInbox, postgresMigrations } from '../src/index.ts'
import { pgSql } from '../src/pg.ts'

const rounds = Number(process.argv[2] ?? 60)
const transactions = 320
const concurrency = 16
const insert = 'insert into effect (event, data) values ($1, $2)'

await using server = await startPostgres({ settings: { fsync: 'on' } })
const pool = new pg.Pool({ connectionString: server.url, max: concurrency })
const sql = pgSql(pool)
await migrate(sql, postgresMigrations)
await sql.query('create table effect (id bigint generated always as identity primary key, event text, data text)')

const signal = new AbortController().signal
const handle = postgresInbox({ sql }).handler(async (event: string, _, tx) => {
  await tx.query(insert, [event, 'x'.repeat(200)])
})
const ways: Readonly<Record<string, (event: string) => Promise<unknown>>> = {
  'raw pg': async event => {
    const client = await pool.connect()
    await client.query('begin')
    await client.query(insert, [event, 'x'.repeat(200)])
    await client.query('commit')
    client.release()
  },
  'without the inbox': event => sql.transaction(tx => tx.query(insert, [event, 'x'.repeat(200)])),
  'with the inbox': event =>
    handle(event, { identity: { scope: 'bench', event }, signal, markDuplicate: () => process.exit(1) }),
}

async function rate(name: string, round: number): Promise<number> {
  let started = 0
  const began = performance.now()
  const work = async (): Promise<void> => {
    while (started < transactions) await ways[name]!(`${name} ${round} ${started++}`)
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return (transactions / (performance.now() - began)) * 1000
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const rates = new Map(Object.keys(ways).map(name => [name, [] as number[]]))
for (let round = 0; round <= rounds; round++) {
  // Each way comes first, second and last in turn.
  const names = [...rates.keys()]
  for (const name of names.map((_, place) => names[(place + round) % names.length]!)) {
    const measure = await rate(name, round)
    // The first round warms up.
    if (round > 0) rates.get(name)!.push(measure)
  }
}
const base = rates.get('raw pg')!
for (const [name, measured] of rates) {
  const ratio = median(measured.map((measure, round) => measure / base[round]!))
  console.log(`${name.padEnd(18)} ${median(measured).toFixed(0).padStart(6)}/s  ${ratio.toFixed(2)}`)
}
await pool.end()
