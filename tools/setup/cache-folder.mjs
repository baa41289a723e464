import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { SetupFailure } from './setup-failure.mjs'

/**
 * Where tools are kept between runs and shared by all clones; created on first use.
 *
 * @returns {string}
 */
export function cacheFolder() {
  const folder = join(cacheHome(), 'mekong')
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw new SetupFailure(
      `The cache folder ${folder} cannot be made: ${error instanceof Error ? error.message : String(error)}`,
      'Set XDG_CACHE_HOME to a folder that can be written.',
    )
  }
  return folder
}

function cacheHome() {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env
  if (XDG_CACHE_HOME) return XDG_CACHE_HOME
  if (process.platform === 'win32' && LOCALAPPDATA) return LOCALAPPDATA
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache')
}
