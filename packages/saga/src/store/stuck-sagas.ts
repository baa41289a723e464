import { type Sql, tablesOf } from '@mekong/postgres'
import type { Saga } from '../declare/declaration.ts'

/** Where one service keeps its sagas. */
export interface SagaSource {
  readonly sql: Sql
  /** @default 'mekong' */
  readonly schema?: string | undefined
}

export interface StuckSaga {
  readonly instance: string
  /** When something last happened in it, in milliseconds since the epoch. */
  readonly lastAt: number
  /** The service that did it. */
  readonly lastService: string
}

export interface StuckOptions {
  readonly saga: Pick<Saga, 'name'>
  /** Stuck is what has not come to an end and made no progress for this long, in milliseconds. */
  readonly idleMs: number
  /** How many to look for in each service, the longest idle first. @default 100 */
  readonly limit?: number | undefined
}

/**
 * Finds instances that stand still, the longest idle first. No service knows the whole flow, so ask with all of them: an
 * instance that one service saw at its end, or busy just now, is not stuck, whatever the others know. Those that did not
 * see the end are told, so that they need not be asked about it again.
 */
export async function stuckSagas(
  sources: Readonly<Record<string, SagaSource>>,
  { saga, idleMs, limit = 100 }: StuckOptions,
): Promise<readonly StuckSaga[]> {
  const books = Object.entries(sources).map(([service, { sql, schema }]) => ({
    service,
    ...instanceBook(sql, schema, saga.name),
  }))
  for (;;) {
    const idle = await Promise.all(books.map(book => book.idle(idleMs, limit)))
    const instances = [...new Set(idle.flat())]
    const known = await Promise.all(
      books.map(async ({ service, find }) => (await find(instances)).map(row => ({ ...row, service }))),
    )
    const ended = new Set(
      known
        .flat()
        .filter(row => row.ended)
        .map(({ instance }) => instance),
    )
    if (ended.size > 0) {
      await Promise.all(books.map(book => book.markEnded([...ended])))
      continue
    }
    return instances
      .flatMap(instance => lastOf(known.flat().filter(row => row.instance === instance)) ?? [])
      .filter(({ idle_ms }) => idle_ms >= idleMs)
      .map(({ instance, last_at, service }) => ({ instance, lastAt: Math.floor(last_at), lastService: service }))
      .toSorted((a, b) => a.lastAt - b.lastAt)
  }
}

interface InstanceRow {
  readonly instance: string
  readonly ended: boolean
  readonly last_at: number
  readonly idle_ms: number
}

function instanceBook(
  sql: Sql,
  schema: string | undefined,
  saga: string,
): {
  /** Instances without an end, and without progress for this long. */
  readonly idle: (idleMs: number, limit: number) => Promise<readonly string[]>
  readonly find: (instances: readonly string[]) => Promise<readonly InstanceRow[]>
  readonly markEnded: (instances: readonly string[]) => Promise<unknown>
} {
  const table = tablesOf(schema)('saga_instance')
  return {
    idle: async (idleMs, limit) => {
      const rows = await sql.query<Pick<InstanceRow, 'instance'>>(
        `select instance from ${table}
        where not ended and saga = $1::text and last_at <= clock_timestamp() - $2::float8 * interval '1 millisecond'
        order by last_at limit $3::integer`,
        [saga, idleMs, limit],
      )
      return rows.map(({ instance }) => instance)
    },
    find: instances =>
      sql.query(
        `select instance, ended, extract(epoch from last_at)::float8 * 1000 as last_at,
          extract(epoch from clock_timestamp() - last_at)::float8 * 1000 as idle_ms
        from ${table} where saga = $1::text and instance = any($2::text[])`,
        [saga, instances],
      ),
    markEnded: instances =>
      sql.query(`update ${table} set ended = true where saga = $1::text and instance = any($2::text[]) and not ended`, [
        saga,
        instances,
      ]),
  }
}

function lastOf<Row extends InstanceRow>(rows: readonly Row[]): Row | undefined {
  return rows.toSorted((a, b) => b.last_at - a.last_at)[0]
}
