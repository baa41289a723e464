import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a running Postgres writes about itself into its data folder, for pg_ctl and us. */
export interface PostmasterFile {
  readonly pid: number
  readonly isReady: boolean
  /** Of the small shared memory segment by which Postgres knows that nobody else uses the data folder. */
  readonly sharedMemoryId: string | undefined
}

// Lines: pid, data folder, start time, port, socket folder, address, shared memory key and id, status.
const pidLine = 0
const sharedMemoryLine = 6
const statusLine = 7

/** The postmaster.pid of a data folder; undefined when there is none. What is not written yet is absent. */
export async function readPostmasterFile(dataFolder: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n').map(line => line.trim())
  return {
    pid: Number(lines[pidLine]),
    isReady: lines[statusLine] === 'ready',
    sharedMemoryId: lines[sharedMemoryLine]?.split(/\s+/)[1],
  }
}
