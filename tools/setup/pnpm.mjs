import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { ensureNpmPackage } from './npm-package.mjs'
import { repositoryRoot } from './repository.mjs'
import { SetupFailure } from './setup-failure.mjs'

/**
 * The pnpm that package.json pins.
 *
 * @param {string} node
 * @returns {Promise<string>} the path of its script
 */
export async function ensurePnpm(node) {
  const version = pinnedVersion()
  const folder = await ensureNpmPackage({ name: 'pnpm', version, title: `pnpm ${version}`, verify })
  return scriptIn(folder)

  /** @param {string} candidate */
  function verify(candidate) {
    const printed = spawnSync(node, [scriptIn(candidate), '--version'], { cwd: candidate, encoding: 'utf8' })
    if (printed.stdout?.trim() === version) return
    throw new SetupFailure(
      `pnpm ${version} does not run here: ${printed.stderr}`,
      'Start again; if it stays, report it.',
    )
  }
}

/** @returns {string} */
export function pinnedVersion() {
  const { packageManager } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'))
  return packageManager.replace(/^pnpm@/, '')
}

/** @param {string} folder */
const scriptIn = folder => join(folder, 'bin', 'pnpm.cjs')
