import { MekongError } from '@mekong/core'
import { openConnection, type PgConnection, send } from './pg-connection.ts'
import { runTransaction } from './pg-transaction.ts'
import type { Query, Sql, Transaction } from './sql.ts'

/** What is used of a `pg.Pool`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What is used of a `pg.Client`. */
export interface PgClient {
  query(config: PgQueryConfig): Promise<unknown>
}

export interface PgPoolClient extends PgClient {
  /** Whether it sends without waiting for earlier answers: `new Pool({ pipeline: true })`. */
  readonly pipeline?: boolean | undefined
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  release(error?: Error | boolean): void
}

export interface PgQueryConfig {
  text: string
  values?: unknown[]
  types?: { getTypeParser(oid: number): (value: string) => unknown }
  query_timeout?: number
}

export interface PgSqlOptions {
  /**
   * How long to wait for a connection, and for the answer to one statement, before the connection is given up as dead:
   * neither pg nor TCP notices a database that has gone silent. Above the longest statement that is expected.
   * @default 60000
   */
  readonly timeoutMs?: number | undefined
}

/**
 * The seam over a `pg.Pool`. The pool stays the application's: nobody here ends it. Answers do not depend on type parsers
 * that the application has set. BEGIN and its statements are one round trip; with `new Pool({ pipeline: true })` the
 * last statements and COMMIT are one as well.
 */
export function pgSql(pool: PgPool, options: PgSqlOptions = {}): Sql {
  const { timeoutMs = 60_000 } = options
  if (!(timeoutMs > 0)) throw new MekongError('INVALID_CONFIGURATION', `pgSql: timeoutMs is above 0; got ${timeoutMs}`)
  // Without a listener, an idle connection that breaks ends the process (node-postgres #2439). The pool drops it itself.
  pool.on('error', () => {})
  const withConnection = async <T>(use: (connection: PgConnection) => Promise<T>): Promise<T> => {
    const connection = await openConnection(pool, timeoutMs)
    try {
      return await use(connection)
    } finally {
      connection.release()
    }
  }
  return {
    async query<Row>(text: string, parameters?: readonly unknown[]) {
      const [result] = await withConnection(connection => connection.send(text, parameters))
      return (result?.rows ?? []) as readonly Row[]
    },
    transaction: (work, transactionOptions = {}) =>
      withConnection(connection => runTransaction(connection, work, transactionOptions)),
  }
}

/**
 * A transaction that the application opened on its own client and ends itself, as the `tx` of an outbox. Nothing can be
 * put off until its COMMIT.
 */
export function pgTransaction(client: PgClient): Transaction {
  const query: Query = async <Row>(text: string, parameters?: readonly unknown[]) => {
    const [result] = await send(client, { text, parameters })
    return (result?.rows ?? []) as readonly Row[]
  }
  return { query, native: client }
}
