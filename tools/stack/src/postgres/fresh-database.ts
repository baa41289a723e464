import { randomBytes } from 'node:crypto'
import { Client } from 'pg'

/** An empty database of one test or run. */
export interface FreshDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** Drops the database, and with it every connection that is still open to it. May be called again. */
  drop(): Promise<void>
}

/**
 * Creates an empty database on a running Postgres 13 or newer. The URL names a database to connect to, which is not
 * touched, and a role that may create databases.
 */
export async function freshDatabase(url: string): Promise<FreshDatabase> {
  const name = `mekong_${randomBytes(8).toString('hex')}`
  await execute(url, `CREATE DATABASE ${name}`)
  const drop = (): Promise<void> => execute(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  const freshUrl = new URL(url)
  freshUrl.pathname = `/${name}`
  return { name, url: freshUrl.href, drop, [Symbol.asyncDispose]: drop }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
