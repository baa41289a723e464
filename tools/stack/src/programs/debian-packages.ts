import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withLock } from '../../../setup/lock.mjs'
import { cacheFolder } from '../cache-folder.ts'

const run = promisify(execFile)
const policyFile = '/usr/sbin/policy-rc.d'
const policy = '#!/bin/sh\n# Made by Mekong while it installs packages: no server is to be started by that.\nexit 101\n'
const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
// Another program may be installing something.
const aptOptions = ['-qq', '-o', 'DPkg::Lock::Timeout=300']

/** Installs packages as root on Debian, without starting the servers in them. Says so in one line on stderr. */
export function installDebianPackages(packages: readonly string[], server: string): Promise<void> {
  const install = async (): Promise<void> => {
    const absent = await absentPackages(packages)
    if (absent.length === 0) return // another run has installed them meanwhile
    console.error(`Installing ${absent.join(', ')} with apt-get, for ${server}`)
    await withoutStartingServers(() => aptInstall(absent, server))
  }
  return withLock(join(cacheFolder(), 'apt-get.lock'), install, { onWait: () => {} })
}

async function absentPackages(packages: readonly string[]): Promise<readonly string[]> {
  const isThere = async (name: string): Promise<boolean> => {
    const query = run('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])
    return query.then(
      ({ stdout }) => stdout === 'installed',
      () => false,
    )
  }
  const present = await Promise.all(packages.map(isThere))
  return packages.filter((_, index) => present[index] !== true)
}

async function aptInstall(packages: readonly string[], server: string): Promise<void> {
  try {
    await run('apt-get', [...aptOptions, 'update'], { env: environment })
    await run('apt-get', [...aptOptions, 'install', '-y', '--no-install-recommends', ...packages], { env: environment })
  } catch (cause) {
    const { stderr } = cause as { stderr?: string }
    const reason = stderr?.trim() || String(cause)
    throw new Error(`apt-get could not install ${packages.join(', ')} for ${server}: ${reason}`, { cause })
  }
}

/** Debian starts a server right after its installation unless this file says that it must not. */
async function withoutStartingServers(install: () => Promise<void>): Promise<void> {
  const isForeign = existsSync(policyFile) && (await readFile(policyFile, 'utf8')) !== policy
  if (isForeign) return install()
  await writeFile(policyFile, policy, { mode: 0o755 })
  try {
    await install()
  } finally {
    await rm(policyFile, { force: true })
  }
}
