import pg from 'pg'
import type { Evidence } from './judge.ts'
import type { Numbered } from './load.ts'

/** Where the processes of a run leave what they did: rows that nobody but a handler or a publisher writes. */
export interface LogOfEffects {
  /** Events with an effect so far; undefined while the database is away. */
  count(): Promise<number | undefined>
  read(): Promise<Evidence>
  close(): Promise<void>
}

/** The number of an effect is drawn while its key is locked by the order of its lane, so it tells their order. */
const tables = `
create table effect (id bigint generated always as identity, key text not null, number int not null);
create index on effect (key, number);
create table confirmed (index int primary key, key text not null, number int not null)`

export async function createLogOfEffects(databaseUrl: string): Promise<LogOfEffects> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1, connectionTimeoutMillis: 5000 })
  pool.on('error', () => undefined)
  await pool.query(tables)
  return {
    async count() {
      const counting = pool.query<{ count: number }>(
        'select count(*)::int as count from (select distinct key, number from effect) e',
      )
      const { rows } = await counting.catch(() => ({ rows: [] }))
      return rows[0]?.count
    },
    async read() {
      const confirmed = await pool.query<Numbered>('select key, number from confirmed')
      const effects = await pool.query<Numbered>('select key, number from effect order by id')
      return { confirmed: confirmed.rows, effects: effects.rows }
    },
    close: () => pool.end(),
  }
}
