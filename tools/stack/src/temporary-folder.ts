import { statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'

/**
 * Where a server keeps its data. In memory thousands of files are made and removed in a tenth of the time, which is
 * most of what a small test costs; it is for data that stay small, and falls back to disk where memory is short.
 */
export type Storage = 'disk' | 'memory'

const linuxMemoryFolder = '/dev/shm'
const enoughBytes = 2 * 1024 ** 3

export interface TemporaryFolderOptions {
  readonly storage: Storage
  /** Whether the server runs as another user, who must be able to enter the folder. */
  readonly isForOthers: boolean
}

/** The folder in which a server's folder is made. */
export function temporaryFolder({ storage, isForOthers }: TemporaryFolderOptions): string {
  if (storage === 'memory' && freeBytes(linuxMemoryFolder) >= enoughBytes) return linuxMemoryFolder
  return isForOthers && !everybodyEnters(tmpdir()) ? '/tmp' : tmpdir()
}

function everybodyEnters(folder: string): boolean {
  const mayEnter = (statSync(folder).mode & 0o001) !== 0
  const parent = dirname(folder)
  return mayEnter && (parent === folder || everybodyEnters(parent))
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0 // the system has no such folder
  }
}
