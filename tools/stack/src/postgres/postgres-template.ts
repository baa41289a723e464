import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, chown, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildOnce, cacheFolder } from '../cache-folder.ts'
import type { SystemUser } from '../system-user.ts'
import type { PostgresPrograms } from './postgres-programs.ts'

/** A data folder as initdb leaves it, to be copied for each server: initdb takes a second, a copy 50 ms. */
export interface PostgresTemplate {
  readonly dataFolder: string
  /** Of the superuser `postgres`. Random, since a superuser may run programs and other users reach the port too. */
  readonly password: string
}

// One iteration: the password is random, and logging in should not take 10 ms of each test.
const initdbArguments = [
  '--username=postgres',
  '--auth=scram-sha-256',
  '--set=scram_iterations=1',
  '--encoding=UTF8',
  '--locale=C',
  '--no-sync',
  '--no-instructions',
]

/** The template of the cache folder, made at the first call. */
export async function postgresTemplate(
  programs: PostgresPrograms,
  user: SystemUser | undefined,
): Promise<PostgresTemplate> {
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([initdbArguments, user]))
    .digest('hex')
    .slice(0, 8)
  const name = `postgres-${programs.version}-${process.platform}-${process.arch}-data-${fingerprint}`
  const folder = await buildOnce(join(cacheFolder(), name), building => initialize(programs, user, building))
  return { dataFolder: join(folder, 'data'), password: await readFile(join(folder, 'password'), 'utf8') }
}

async function initialize(programs: PostgresPrograms, user: SystemUser | undefined, folder: string): Promise<void> {
  const passwordFile = join(folder, 'password')
  await chmod(folder, 0o700)
  await writeFile(passwordFile, randomBytes(16).toString('hex'), { mode: 0o600 })
  if (user !== undefined) for (const path of [folder, passwordFile]) await chown(path, user.uid, user.gid)
  const settings = [...initdbArguments, `--pwfile=${passwordFile}`, `--pgdata=${join(folder, 'data')}`]
  await promisify(execFile)(programs.initdb, settings, { cwd: '/', env: { LC_ALL: 'C', TZ: 'UTC' }, ...user })
}
