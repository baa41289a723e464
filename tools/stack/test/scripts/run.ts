// A run with servers, to be ended by a test in every way that a run can end.
import { dirname } from 'node:path'
import { Client } from 'pg'
import { type PostgresProgramServer, startChildProcess, startPostgresFromPrograms } from '../../src/index.ts'

const start = (): Promise<PostgresProgramServer> => startPostgresFromPrograms({ storage: 'memory' })
const [server, paused, killed] = await Promise.all([start(), start(), start()])
const child = await startChildProcess(new URL('./echo.ts', import.meta.url))
await child.signal('ready')

const clients = await Promise.all(
  [server, paused, killed].map(async ({ url }) => {
    const client = new Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    return client
  }),
)
const folders = await Promise.all(
  clients.map(async client => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory')
    return dirname(rows[0]!.data_directory)
  }),
)
const pids = [server.pid, paused.pid, killed.pid, child.pid]
clients[0]!.query('SELECT pg_sleep(600)').catch(() => {})
await paused.pause()
await child.pause()
await killed.kill()

process.send?.({ pids, folders })
const ending = process.argv[2]
if (ending === 'exit') process.exit(0)
if (ending === 'throw') throw new Error('the run failed')
if (ending === 'stay') setInterval(() => {}, 60_000)
// The types of pg lack unref.
if (ending === 'idle') for (const client of clients) (client as Client & { unref(): void }).unref()
