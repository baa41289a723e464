import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '@mekong/postgres'
import type { Outbox } from '../../src/index.ts'
import type { Random } from './random.ts'

export interface WritersOptions {
  readonly sql: Sql
  readonly outbox: Outbox
  readonly random: Random
  readonly events: number
  readonly keys: number
  readonly parallel: number
  /** Of each transaction, before and after its event is written. */
  readonly maxPauseMs: number
  /** Asked before each transaction. @default never */
  readonly isStopped?: () => boolean
  /** Goes on when a transaction fails; what is committed is then known from `readCounts` only. @default false */
  readonly mayFail?: boolean
}

/** What the writers committed, as they know it, whatever the outbox says. */
export interface Written {
  /** The events of each key: 1, 2, 3, … up to this. */
  readonly counts: ReadonlyMap<string, number>
  /** Ids in the order in which the commits were answered. */
  readonly ids: readonly string[]
}

/** Makes the table that the writers count in: its row locks put the transactions of a key one behind the other. */
export async function createCounters(sql: Sql, keys: number): Promise<void> {
  await sql.query('create table counter (key text primary key, n integer not null default 0)')
  await sql.query(`insert into counter (key) select 'k' || g from generate_series(0, $1::int - 1) as g`, [keys])
}

/**
 * Transactions in parallel, each of which changes a key and tells of it, some slow, so that they commit in another order
 * than they draw positions. A tenth of them is rolled back in the end.
 */
export async function writeInParallel(options: WritersOptions): Promise<Written> {
  const { sql, outbox, random, keys, parallel, maxPauseMs, isStopped = () => false, mayFail = false } = options
  const counts = new Map<string, number>()
  const ids: string[] = []
  let left = options.events
  const writer = async (): Promise<void> => {
    while (left > 0 && !isStopped()) {
      left--
      const key = `k${random.integer(keys)}`
      const [before, after, isRolledBack] = [random.next() ** 4, random.next() ** 4, random.next() < 0.1]
      const work = sql.transaction(async tx => {
        await sleep(before * maxPauseMs)
        const [counter] = await tx.query<{ n: number }>('update counter set n = n + 1 where key = $1 returning n', [
          key,
        ])
        const { id } = await outbox.publish(tx, 'counter.changed', { key, n: counter!.n }, { key })
        await sleep(after * maxPauseMs)
        if (isRolledBack) throw new RolledBack()
        return { n: counter!.n, id }
      })
      try {
        const { n, id } = await work
        counts.set(key, Math.max(n, counts.get(key) ?? 0))
        ids.push(id)
      } catch (error) {
        if (!(error instanceof RolledBack) && !mayFail) throw error
        left++
        if (!(error instanceof RolledBack)) await sleep(10)
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, writer))
  return { counts, ids }
}

/** What the database has as committed: counter and event are one transaction. */
export async function readCounts(sql: Sql): Promise<Written> {
  const rows = await sql.query<{ key: string; n: number }>('select key, n from counter where n > 0')
  return { counts: new Map(rows.map(({ key, n }) => [key, n])), ids: [] }
}

class RolledBack extends Error {}

/** An entry of a broker's log, as far as order is judged by it. */
export interface Logged {
  readonly id: string
  readonly key: string | undefined
  readonly body: string
}

/** What is wrong with a log, judged by first occurrences: keys whose events are not 1, 2, 3, … up to what was written. */
export function violations(log: readonly Logged[], written: Written): readonly string[] {
  const seen = new Set<string>()
  const heard = new Map<string, number>()
  const wrong: string[] = []
  for (const { id, key, body } of log) {
    if (seen.has(id)) continue
    seen.add(id)
    const { n } = JSON.parse(body) as { n: number }
    const expected = (heard.get(key!) ?? 0) + 1
    if (n !== expected) wrong.push(`${key}: ${n} came where ${expected} belongs`)
    heard.set(key!, n)
  }
  for (const [key, n] of written.counts)
    if (heard.get(key) !== n) wrong.push(`${key}: ends with ${heard.get(key)}, not with ${n}`)
  return wrong
}

export function duplicates(log: readonly Logged[]): number {
  return log.length - new Set(log.map(({ id }) => id)).size
}
