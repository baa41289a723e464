import { join } from 'node:path'
import type { Server } from '../server.ts'
import { superviseServer } from '../supervised-server.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import { unprivilegedUser } from '../system-user.ts'
import type { Storage } from '../temporary-folder.ts'
import { type FreshDatabase, freshDatabase } from './fresh-database.ts'
import {
  copyTemplate,
  launchOnFreePort,
  type PostgresInstallation,
  relaunch,
  removeSharedMemory,
} from './postgres-process.ts'
import { postgresPrograms } from './postgres-programs.ts'
import type { PostgresSettings } from './postgres-settings.ts'
import { postgresTemplate } from './postgres-template.ts'

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
   * Where the data folder is.
   * @default 'disk'
   */
  readonly storage?: Storage
}

export interface PostgresServer extends Server {
  /** An empty database beside the one of `url`, gone with the server at the latest. */
  createDatabase(): Promise<FreshDatabase>
}

/**
 * Starts a Postgres of its own from the programs of npm: on a free port of 127.0.0.1, with an empty data folder under
 * the system's folder for temporary files. Rejects with the last lines of its log when it does not come up.
 *
 * As root it runs as the user postgres, or else nobody, since Postgres refuses root.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const { settings = {}, startTimeoutMs = 30_000, storage = 'disk' } = options
  const user = await unprivilegedUser(['postgres', '_postgres', 'nobody'])
  const programs = await postgresPrograms()
  const template = await postgresTemplate(programs, user)
  // Ended with SIGQUIT: nobody needs the data any more.
  const supervisor = await startSupervisor({ name: 'postgres', storage, owner: user, endSignal: 'SIGQUIT' })
  const dataFolder = join(supervisor.folder, 'data')
  const installation = { programs, dataFolder, user, settings, supervisor, startTimeoutMs }
  try {
    await copyTemplate(installation, template.dataFolder)
    return await launchServer(installation, template.password)
  } catch (error) {
    await supervisor.end()
    throw error
  }
}

async function launchServer(installation: PostgresInstallation, password: string): Promise<PostgresServer> {
  const { port, process } = await launchOnFreePort(installation)
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  const parts = {
    name: 'Postgres',
    url,
    supervisor: installation.supervisor,
    shutdownSignal: 'SIGINT' as const,
    launch: () => relaunch(installation, port),
    afterKill: () => removeSharedMemory(installation.dataFolder),
  }
  return Object.assign(superviseServer(parts, process), { createDatabase: () => freshDatabase(url) })
}
