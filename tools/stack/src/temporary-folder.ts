import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/**
 * Where a server keeps its data. In memory thousands of files are made and removed in a tenth of the time, which is
 * most of what a small test costs; it is for data that stay small, and falls back to disk where memory is short.
 */
export type Storage = 'disk' | 'memory'

const linuxMemoryFolder = '/dev/shm'
const enoughBytes = 2 * 1024 ** 3

/** The folder in which a server's folder is made. */
export function temporaryFolder(storage: Storage): string {
  return storage === 'memory' && freeBytes(linuxMemoryFolder) >= enoughBytes ? linuxMemoryFolder : tmpdir()
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0 // the system has no such folder
  }
}
