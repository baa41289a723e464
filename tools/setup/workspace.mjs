import { join } from 'node:path'
import { existsSync, mkdirSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { withLock } from './lock.mjs'
import { runLogged } from './logged-command.mjs'
import { environmentOfNestedNpm } from './npm-package.mjs'
import { withProgress } from './progress.mjs'
import { repositoryRoot } from './repository.mjs'
import { environmentWith } from './task-environment.mjs'
import { workspaceStamp } from './workspace-stamp.mjs'

const folder = join(repositoryRoot, 'node_modules', '.mekong-setup')
const stampFile = join(folder, 'stamp')

/**
 * Installs what the lockfile says, unless that was done for exactly these manifests.
 *
 * @param {string} node
 * @param {string} pnpm
 * @returns {Promise<void>}
 */
export async function ensureWorkspace(node, pnpm) {
  if (isInstalled()) return
  await withProgress('Installing packages', async say => {
    const onWait = () => say('Another start is installing packages here; waiting for it')
    await withLock(join(folder, 'lock'), lock => install(lock), { onWait })
  })

  /** @param {import('./lock.mjs').Lock} lock */
  async function install(lock) {
    if (isInstalled()) return
    rmSync(stampFile, { force: true })
    const stamp = workspaceStamp().stamp
    await runLogged({
      program: node,
      arguments: [
        pnpm,
        'install',
        '--frozen-lockfile',
        '--prefer-offline',
        '--prod=false',
        '--config.confirmModulesPurge=false',
      ],
      folder: repositoryRoot,
      environment: environmentWith(environmentOfNestedNpm(), { node, pnpm }),
      log: join(folder, 'install.log'),
      remedy:
        'Check the connection (npm ping), then start again. After a change of a package.json: npm run pnpm -- install.',
      onStart: pid => lock.shareWith(pid),
    })
    mkdirSync(folder, { recursive: true })
    writeFileSync(stampFile, stamp)
  }
}

function isInstalled() {
  if (!existsSync(stampFile)) return false
  const { stamp, folders } = workspaceStamp()
  return readFileSync(stampFile, 'utf8') === stamp && folders.every(existsSync)
}
