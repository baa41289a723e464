// A run with servers, to be ended by a test in every way that a run can end.
import { dirname } from 'node:path'
import { Client } from 'pg'
import { type PostgresServer, type Server, startChildProcess, startPostgres } from '../../src/index.ts'
import { isContainer, isProgram } from '../server-place.ts'

const start = (): Promise<PostgresServer> => startPostgres({ storage: 'memory' })
const servers = await Promise.all([start(), start(), start()])
const [, paused, killed] = servers
const places: readonly Server[] = servers
const child = await startChildProcess(new URL('./echo.ts', import.meta.url))
await child.signal('ready')

const clients = await Promise.all(
  servers.map(async ({ url }) => {
    const client = new Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    return client
  }),
)
const pids = [child.pid, ...places.filter(isProgram).map(server => server.pid)]
const folders = places.every(isProgram) ? await Promise.all(clients.map(serverFolder)) : []
const containers = places.filter(isContainer).map(server => server.containerName)
const networks = containers.length > 0 ? [await networkOfRun()] : []
clients[0]!.query('SELECT pg_sleep(600)').catch(() => {})
await paused.pause()
await child.pause()
await killed.kill()

process.send?.({ pids, folders, containers, networks })
const ending = process.argv[2]
if (ending === 'exit') process.exit(0)
if (ending === 'throw') throw new Error('the run failed')
if (ending === 'stay') setInterval(() => {}, 60_000)
// The types of pg lack unref.
if (ending === 'idle') for (const client of clients) (client as Client & { unref(): void }).unref()

async function serverFolder(client: Client): Promise<string> {
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory')
  return dirname(rows[0]!.data_directory)
}

async function networkOfRun(): Promise<string> {
  const { containerSession } = await import('../../src/containers/container-session.ts')
  return (await containerSession()).network
}
