import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureNpmPackage } from './npm-package.mjs'
import { repositoryRoot } from './repository.mjs'
import { SetupFailure } from './setup-failure.mjs'

/**
 * The Node that runs the tasks: the machine's when it runs TypeScript sources and our tools, else a pinned one from npm.
 *
 * @returns {Promise<string>} the path of the program
 */
export async function ensureNode() {
  if (isSupported(process.versions.node)) return process.execPath
  const version = readFileSync(join(repositoryRoot, '.node-version'), 'utf8').trim()
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const folder = await ensureNpmPackage({ name, version, title: `Node ${version}`, verify })
  return programIn(folder)

  /** @param {string} candidate */
  function verify(candidate) {
    const printed = spawnSync(programIn(candidate), ['--version'], { encoding: 'utf8' })
    if (printed.stdout?.trim() === `v${version}`) return
    throw new SetupFailure(
      `Node ${version} for ${process.platform}-${process.arch} does not run here: ${printed.error?.message ?? printed.stderr}`,
      'Install Node 24 (24.11 or newer), then start again.',
    )
  }
}

/**
 * What vitest and tsup support, from the first Node on that needs no flag and no warning to run TypeScript and knows
 * `await using`.
 *
 * @param {string} version
 * @returns {boolean}
 */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return (major === 24 && minor >= 11) || major >= 26
}

/** @param {string} folder */
const programIn = folder => join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
