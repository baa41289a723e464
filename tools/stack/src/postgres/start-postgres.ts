import type { Server } from '../server.ts'
import { serverWay } from '../server-way.ts'
import type { Storage } from '../temporary-folder.ts'
import type { FreshDatabase } from './fresh-database.ts'
import { startPostgresFromPrograms } from './postgres-from-programs.ts'
import type { PostgresSettings } from './postgres-settings.ts'

export interface StartPostgresOptions {
  /**
   * Settings as in postgresql.conf; they win over the ones of this module.
   * @default {}
   */
  readonly settings?: PostgresSettings
  /**
   * How long a start or restart may take, recovery after a kill included.
   * @default 30000
   */
  readonly startTimeoutMs?: number
  /**
   * Where the data folder is. A container has its data in a volume of its own, whatever this says.
   * @default 'disk'
   */
  readonly storage?: Storage
}

export interface PostgresServer extends Server {
  /** An empty database beside the one of `url`, gone with the server at the latest. */
  createDatabase(): Promise<FreshDatabase>
}

/**
 * Starts a Postgres of its own: on a free port of 127.0.0.1, with an empty data folder. Rejects with the last lines of
 * its log when it does not come up.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  if ((await serverWay()) === 'programs') return startPostgresFromPrograms(options)
  const { startPostgresInContainer } = await import('../containers/postgres-in-container.ts')
  return startPostgresInContainer(options)
}
