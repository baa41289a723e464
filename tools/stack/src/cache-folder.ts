import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { withLock } from '../../setup/lock.mjs'

const abandonedAfterMs = 60 * 60 * 1000

/**
 * The folder that keeps what servers need between runs: the environment's MEKONG_STACK_CACHE, else the user's cache
 * folder. For root it is /var/cache, which the unprivileged users that servers run as can enter.
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['MEKONG_STACK_CACHE']) return environment['MEKONG_STACK_CACHE']
  if (process.getuid?.() === 0) return '/var/cache/mekong-stack'
  if (environment['XDG_CACHE_HOME']) return join(environment['XDG_CACHE_HOME'], 'mekong-stack')
  const userCaches = process.platform === 'darwin' ? 'Library/Caches' : '.cache'
  return join(homedir(), userCaches, 'mekong-stack')
}

/** For NODE_COMPILE_CACHE, by which a TypeScript program is up in half the time. Node makes the folder. */
export function compileCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment['NODE_COMPILE_CACHE'] ?? join(cacheFolder(environment), 'node-compile-cache')
}

/**
 * The folder, after `build` has filled it unless it is there already. Nobody sees it half filled: `build` gets another
 * folder, which is renamed when it is complete. Of two that want it at the same time, also in two processes, one
 * builds and the other waits.
 */
export async function buildOnce(folder: string, build: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder
  try {
    await makeFolder(dirname(folder))
    await withLock(`${folder}.lock`, () => buildUnlessThere(folder, build), { onWait: () => {} })
  } catch (cause) {
    throw buildFailure(folder, cause)
  }
  return folder
}

async function buildUnlessThere(folder: string, build: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return
  const parent = dirname(folder)
  const building = join(parent, `building-${basename(folder)}-${randomBytes(6).toString('hex')}`)
  try {
    await removeAbandoned(parent)
    await mkdir(building)
    await build(building)
    await rename(building, folder)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    throw error
  }
}

async function makeFolder(folder: string): Promise<void> {
  // Whatever the umask: the users that servers run as for root enter it.
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o755)
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('building-')) continue
    const folder = join(parent, name)
    const modifiedMs = await stat(folder).then(
      found => found.mtimeMs,
      () => Date.now(),
    )
    if (Date.now() - modifiedMs > abandonedAfterMs) await rm(folder, { recursive: true, force: true })
  }
}

function buildFailure(folder: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Error(
    `${basename(folder)} could not be made in ${dirname(folder)}: ${reason}\n` +
      'MEKONG_STACK_CACHE may name another folder, which the user who runs the server can enter.',
    { cause },
  )
}
