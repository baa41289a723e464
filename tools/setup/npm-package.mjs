import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cacheFolder } from './cache-folder.mjs'
import { withLock } from './lock.mjs'
import { runLogged } from './logged-command.mjs'
import { withProgress } from './progress.mjs'

const dayMs = 86_400_000

/**
 * Gets one package from the npm registry into the cache, once for all clones. What is in the cache is complete: it is
 * installed and tried beside its place, and moved there in one step.
 *
 * @param {object} wanted
 * @param {string} wanted.name
 * @param {string} wanted.version
 * @param {string} wanted.title for the reader
 * @param {(folder: string) => void} wanted.verify throws when what was installed does not work here
 * @returns {Promise<string>} its folder
 */
export async function ensureNpmPackage({ name, version, title, verify }) {
  const cache = cacheFolder()
  const place = join(cache, `${name}-${version}`)
  const packageFolder = join(place, 'node_modules', name)
  if (existsSync(packageFolder)) return packageFolder
  await withProgress(`Getting ${title}`, async say => {
    const onWait = () => say(`Another start is getting ${title}; waiting for it`)
    await withLock(`${place}.lock`, lock => install(lock), { onWait })
  })
  return packageFolder

  /** @param {import('./lock.mjs').Lock} lock */
  async function install(lock) {
    if (existsSync(packageFolder)) return
    removeOldPartials(cache)
    const partial = join(cache, `.partial-${randomUUID()}`)
    mkdirSync(partial)
    try {
      await npmInstall(`${name}@${version}`, partial, join(cache, 'logs', `${name}.log`), lock)
      verify(join(partial, 'node_modules', name))
      renameSync(partial, place)
    } finally {
      rmSync(partial, { recursive: true, force: true })
    }
  }
}

/**
 * @param {string} specifier
 * @param {string} folder
 * @param {string} log
 * @param {import('./lock.mjs').Lock} lock
 */
async function npmInstall(specifier, folder, log, lock) {
  const npm = npmCommand()
  await runLogged({
    program: npm.program,
    arguments: [...npm.arguments, 'install', ...npmOptions, `--prefix=${folder}`, specifier],
    shell: npm.shell,
    folder,
    environment: environmentOfNestedNpm(),
    log,
    remedy: 'The first set-up needs the npm registry: check the connection (npm ping), then start again.',
    onStart: pid => lock.shareWith(pid),
  })
}

const npmOptions = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']

/** The npm that started us, else the one on PATH. */
function npmCommand() {
  const started = process.env.npm_execpath
  if (started !== undefined && basename(started) === 'npm-cli.js') {
    return { program: process.execPath, arguments: [started], shell: false }
  }
  return { program: 'npm', arguments: [], shell: process.platform === 'win32' }
}

/**
 * npm hands its own options down in the environment; those that say where it works are about the outer call.
 *
 * @returns {NodeJS.ProcessEnv}
 */
export function environmentOfNestedNpm() {
  const outer =
    /^npm_config_(prefix|local_prefix|global|location|workspaces?|include_workspace_root|omit|include|dry_run)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)))
}

/** @param {string} cache */
function removeOldPartials(cache) {
  for (const name of readdirSync(cache).filter(entry => entry.startsWith('.partial-'))) {
    const folder = join(cache, name)
    const status = statSync(folder, { throwIfNoEntry: false })
    if (status !== undefined && Date.now() - status.mtimeMs > dayMs) rmSync(folder, { recursive: true, force: true })
  }
}
