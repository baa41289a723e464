import { join } from 'node:path'
import type { ProgramServer } from '../server.ts'
import { superviseServer } from '../supervised-server.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import { unprivilegedUser } from '../system-user.ts'
import { freshDatabase } from './fresh-database.ts'
import {
  copyTemplate,
  launchOnFreePort,
  type PostgresInstallation,
  relaunch,
  removeSharedMemory,
} from './postgres-process.ts'
import { postgresPrograms } from './postgres-programs.ts'
import { postgresTemplate } from './postgres-template.ts'
import type { PostgresServer, StartPostgresOptions } from './start-postgres.ts'

/** A Postgres started from the programs of npm. */
export type PostgresProgramServer = PostgresServer & ProgramServer

/** As `startPostgres`, always from the programs of npm. As root it runs as the user postgres, or else nobody. */
export async function startPostgresFromPrograms(options: StartPostgresOptions = {}): Promise<PostgresProgramServer> {
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

async function launchServer(installation: PostgresInstallation, password: string): Promise<PostgresProgramServer> {
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
