import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'
import type { SupervisedProcess, Supervisor } from '../supervisor/supervisor.ts'
import type { SystemUser } from '../system-user.ts'
import type { PostgresPrograms } from './postgres-programs.ts'
import { type PostgresSettings, settingsArguments } from './postgres-settings.ts'
import { readPostmasterFile } from './postmaster-file.ts'

/** Everything that stays the same from one start of a server to its next. */
export interface PostgresInstallation {
  readonly programs: PostgresPrograms
  readonly dataFolder: string
  readonly user: SystemUser | undefined
  readonly settings: PostgresSettings
  readonly supervisor: Supervisor
  readonly startTimeoutMs: number
}

const environment = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
const readinessPollMs = 5
const relaunchDelayMs = 50

/** Fills the data folder with a copy of the template. */
export async function copyTemplate(installation: PostgresInstallation, templateFolder: string): Promise<void> {
  const copying = await installation.supervisor.run({
    command: 'cp',
    // On macOS the copies share their blocks until they are written; cp of Linux does that by itself where it can.
    arguments: [process.platform === 'darwin' ? '-Rc' : '-R', templateFolder, installation.dataFolder],
    environment,
    workingFolder: '/',
    user: installation.user,
  })
  const { code } = await copying.untilExit()
  if (code !== 0) throw startFailure(installation, 'its data folder could not be copied')
}

/** Starts Postgres on a port that is free, once more on another one when somebody else was faster. */
export async function launchOnFreePort(
  installation: PostgresInstallation,
): Promise<{ readonly port: number; readonly process: SupervisedProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const process = await launchOnce(installation, port)
    if (process !== undefined) return { port, process }
    if (attempt === 5 || !isPortTaken(installation)) throw startFailure(installation, `it ended at once, port ${port}`)
  }
}

/**
 * Starts Postgres on the port that it had. What a killed server leaves behind may be in its way for some seconds:
 * processes that still end, their shared memory, a connection on its port.
 */
export async function relaunch(installation: PostgresInstallation, port: number): Promise<SupervisedProcess> {
  const deadline = performance.now() + installation.startTimeoutMs
  for (;;) {
    const process = await launchOnce(installation, port)
    if (process !== undefined) return process
    const isOver = performance.now() > deadline
    if (isOver || !isPassing(installation)) throw startFailure(installation, `it ended at once, port ${port}`)
    await delay(relaunchDelayMs)
  }
}

/** Removes what a killed server leaves in the system besides its data folder. */
export async function removeSharedMemory(dataFolder: string): Promise<void> {
  const id = (await readPostmasterFile(dataFolder))?.sharedMemoryId
  // Without the program a segment of 56 bytes stays, as after any kill of a Postgres.
  if (id !== undefined) await promisify(execFile)('ipcrm', ['-m', id]).catch(() => {})
}

async function launchOnce(installation: PostgresInstallation, port: number): Promise<SupervisedProcess | undefined> {
  const { programs, dataFolder, settings, supervisor, user } = installation
  const process = await supervisor.run({
    command: programs.postgres,
    arguments: ['-D', dataFolder, '-p', String(port), ...settingsArguments(settings)],
    environment,
    workingFolder: '/',
    user,
  })
  return (await isReady(installation, process)) ? process : undefined
}

async function isReady(installation: PostgresInstallation, process: SupervisedProcess): Promise<boolean> {
  const deadline = performance.now() + installation.startTimeoutMs
  while (process.exit === undefined) {
    const file = await readPostmasterFile(installation.dataFolder)
    if (file?.isReady === true && file.pid === process.pid) return true
    if (performance.now() > deadline) {
      const failure = startFailure(installation, `it took no connections within ${installation.startTimeoutMs} ms`)
      await process.signal('SIGKILL')
      await process.untilExit()
      throw failure
    }
    await delay(readinessPollMs)
  }
  return false
}

function isPortTaken(installation: PostgresInstallation): boolean {
  return installation.supervisor.log(10).includes('Address already in use')
}

function isPassing(installation: PostgresInstallation): boolean {
  return /Address already in use|shared memory block|lock file .* already exists/.test(installation.supervisor.log(10))
}

function startFailure({ supervisor }: PostgresInstallation, what: string): Error {
  return new Error(
    `Postgres did not come up: ${what}. The last lines of its log:\n${supervisor.log() || '(empty)'}\n` +
      'Mend what they name, or set MEKONG_POSTGRES_URL to a Postgres that runs.',
  )
}
