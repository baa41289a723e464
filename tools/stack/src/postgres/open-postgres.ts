import { type FreshDatabase, freshDatabase } from './fresh-database.ts'
import type { Storage } from '../temporary-folder.ts'
import { startPostgres } from './start-postgres.ts'

/** A Postgres to work with, wherever it comes from. */
export interface Postgres extends AsyncDisposable {
  /** An own, empty database. */
  readonly url: string
  /** Another empty database on the same server. */
  createDatabase(): Promise<FreshDatabase>
  /** Drops the database of `url`, or ends the server with all of its databases when it was started here. */
  close(): Promise<void>
}

export interface OpenPostgresOptions {
  /** @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /**
   * Where a Postgres that is started here keeps its data.
   * @default 'disk'
   */
  readonly storage?: Storage
}

/**
 * The Postgres of the environment's MEKONG_POSTGRES_URL, in a database made for this call; else one started from the
 * programs of npm. Who wants to kill, pause or restart it calls `startPostgres`, which never takes somebody else's.
 *
 * In the Postgres of the environment a run that is killed leaves its databases behind, named `mekong_…`.
 */
export async function openPostgres(options: OpenPostgresOptions = {}): Promise<Postgres> {
  const { environment = process.env, storage = 'disk' } = options
  const url = environment['MEKONG_POSTGRES_URL']
  if (url) return openFromEnvironment(url)
  const server = await startPostgres({ storage })
  return {
    url: server.url,
    createDatabase: () => server.createDatabase(),
    close: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

async function openFromEnvironment(environmentUrl: string): Promise<Postgres> {
  const database = await freshDatabase(environmentUrl).catch((cause: Error) => {
    throw new Error(`No database could be made in the Postgres of MEKONG_POSTGRES_URL: ${cause.message}`, { cause })
  })
  return {
    url: database.url,
    createDatabase: () => freshDatabase(environmentUrl),
    close: () => database.drop(),
    [Symbol.asyncDispose]: () => database.drop(),
  }
}
