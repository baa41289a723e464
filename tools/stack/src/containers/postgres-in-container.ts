import { randomBytes } from 'node:crypto'
import { PostgreSqlContainer } from '@testcontainers/postgresql'
import { freshDatabase } from '../postgres/fresh-database.ts'
import { settingsArguments } from '../postgres/postgres-settings.ts'
import type { PostgresServer, StartPostgresOptions } from '../postgres/start-postgres.ts'
import { onFreePorts } from '../programs/launch-program.ts'
import { images } from './images.ts'
import { launchContainer } from './launch-container.ts'

// Outside the engine the port is open on 127.0.0.1 only.
const containerSettings = { listen_addresses: '*', unix_socket_directories: '/var/run/postgresql' }
// What the engine takes, and the types of testcontainers lack.
const noHealthCheck = ['NONE'] as unknown as ['CMD']

/** As `startPostgres`, always in a container. `storage` means nothing here: the data are in a volume of their own. */
export async function startPostgresInContainer(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const { settings = {}, startTimeoutMs = 30_000 } = options
  const id = randomBytes(6).toString('hex')
  const password = randomBytes(16).toString('hex')
  const server = await onFreePorts(1, ([port = 0]) =>
    launchContainer({
      name: 'Postgres',
      containerName: `mekong-postgres-${id}`,
      container: new PostgreSqlContainer(images.postgres)
        .withDatabase('postgres')
        .withUsername('postgres')
        .withPassword(password)
        .withEnvironment({ POSTGRES_INITDB_ARGS: '--set=scram_iterations=1 --encoding=UTF8 --locale=C --no-sync' })
        .withCommand(['postgres', ...settingsArguments({ ...containerSettings, ...settings })])
        // The module's own runs a program in the container four times a second, as long as that lives.
        .withHealthCheck({ test: noHealthCheck }),
      ports: [{ container: 5432, host: port }],
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      // Once by the server that fills a new data folder and lets nobody in.
      readyPattern: /database system is ready to accept connections/,
      readyCountAtFirst: 2,
      shutdownSignal: 'SIGINT',
      startTimeoutMs,
      environmentVariable: 'MEKONG_POSTGRES_URL',
    }),
  )
  return Object.assign(server, { createDatabase: () => freshDatabase(server.url) })
}
