import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logged } from './writers.ts'

/** A file that relays of several processes append to: what the broker got, in its order. */
export interface BrokerLog extends AsyncDisposable {
  readonly path: string
  read(): Promise<readonly Logged[]>
}

export async function brokerLog(): Promise<BrokerLog> {
  const folder = await mkdtemp(join(tmpdir(), 'mekong-outbox-'))
  const path = join(folder, 'broker.log')
  await writeFile(path, '')
  return {
    path,
    async read() {
      const lines = (await readFile(path, 'utf8')).split('\n')
      // The last one is empty, or still being written.
      return lines.slice(0, -1).map(line => JSON.parse(line) as Logged)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
