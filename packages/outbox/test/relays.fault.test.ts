import { tablesOf } from '@mekong/postgres'
import { type ChildProcess, startChildProcess } from '@mekong/stack'
import { expect, inject, it } from 'vitest'
import { isAllDelivered } from '../src/backlog.ts'
import { createOutbox, type RelaySignal } from '../src/index.ts'
import { brokerLog, type BrokerLog } from './support/broker-log.ts'
import { outboxDatabase, type OutboxDatabase } from './support/outbox-database.ts'
import { createRandom } from './support/random.ts'
import { quick } from './support/tuning.ts'
import { createCounters, violations, writeInParallel } from './support/writers.ts'

const startRelay = async ({ url }: OutboxDatabase, { path }: BrokerLog): Promise<ChildProcess> => {
  const relay = await startChildProcess(new URL('processes/relay-process.ts', import.meta.url), {
    arguments: [url, path],
  })
  await relay.signal('started')
  return relay
}

/** How many buckets each living owner has. */
async function shares({ sql }: OutboxDatabase): Promise<readonly number[]> {
  const rows = await sql.query<{ buckets: number }>(
    `select count(*)::int as buckets from mekong.lease
     where "set" = 'outbox' and leased_until > now() group by owner order by 1`,
  )
  return rows.map(({ buckets }) => buckets)
}

const untilLogged = (log: BrokerLog, count: number): Promise<void> =>
  expect.poll(async () => (await log.read()).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count)

const untilDelivered = ({ sql }: OutboxDatabase): Promise<void> =>
  expect.poll(() => isAllDelivered({ query: sql.query, table: tablesOf() }), { timeout: 30_000 }).toBe(true)

it('loses and reorders nothing when of two relays one is killed and one is stopped past its lease', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  await using log = await brokerLog()
  const random = createRandom()
  await createCounters(database.sql, 100)
  await using victim = await startRelay(database, log)
  await using sleeper = await startRelay(database, log)
  await expect.poll(() => shares(database), { timeout: 10_000 }).toEqual([8, 8])
  const outbox = createOutbox({ source: 'test', insert: 'at-once' })
  const writing = writeInParallel({
    sql: database.sql,
    outbox,
    random,
    events: 5000,
    keys: 100,
    parallel: 6,
    maxPauseMs: 20,
  })

  await untilLogged(log, 500)
  await victim.kill()
  await expect.poll(() => shares(database), { timeout: 10_000 }).toEqual([16])
  await using heir = await startRelay(database, log)
  await expect.poll(() => shares(database), { timeout: 10_000 }).toEqual([8, 8])

  await untilLogged(log, (await log.read()).length + 200)
  await sleeper.pause()
  await expect.poll(() => shares(database), { timeout: 10_000 }).toEqual([16])
  await untilLogged(log, (await log.read()).length + 200)
  await sleeper.resume()
  await expect
    .poll(async () => (await sleeper.signal<RelaySignal & { is: 'bucket-left' }>('bucket-left')).how, {
      timeout: 10_000,
    })
    .toBe('lost')

  const written = await writing
  await untilDelivered(database)
  const published = await log.read()
  expect(violations(published, written), `seed ${random.seed}`).toEqual([])
  expect(new Set(published.map(({ id }) => id)).size).toBe(5000)
  for (const relay of [sleeper, heir]) {
    relay.tell('close')
    await relay.signal('closed')
  }
})

it('takes over from a killed relay within its lease and two heartbeats', async () => {
  await using database = await outboxDatabase(inject('postgresUrl'))
  await using log = await brokerLog()
  await using victim = await startRelay(database, log)
  await using heir = await startRelay(database, log)
  await expect.poll(() => shares(database), { timeout: 10_000 }).toEqual([8, 8])
  await victim.kill()
  const killedAt = performance.now()
  const outbox = createOutbox({ source: 'test' })
  await database.sql.transaction(tx =>
    outbox.publishMany(
      tx,
      Array.from({ length: 64 }, (_, index) => ({ type: 'test.event', data: { n: 1 }, options: { key: `k${index}` } })),
    ),
  )
  await untilLogged(log, 64)
  // And what the machine, which has more to do, makes of that.
  expect(performance.now() - killedAt).toBeLessThan(quick.leaseMs! + 2 * quick.heartbeatMs! + 2000)
  expect(heir.hasEnded).toBe(false)
})
