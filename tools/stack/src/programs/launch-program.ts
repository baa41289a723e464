import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../free-port.ts'
import { followLog } from '../log-tail.ts'
import type { ProcessOrder, SupervisedProcess, Supervisor } from '../supervisor/supervisor.ts'
import { logFileName } from '../supervisor/supervisor-protocol.ts'

/** A server's program, and how it is known that it takes connections. */
export interface ProgramLaunch {
  /** As messages call the server: Redis. */
  readonly name: string
  readonly supervisor: Supervisor
  readonly order: ProcessOrder
  /**
   * Found in one line of what it prints when it takes connections. Its own word is asked for, and not its port: there
   * somebody else could answer.
   */
  readonly readyPattern: RegExp
  readonly startTimeoutMs: number
  /** What the user can do about a failure, as the last sentence of the message. */
  readonly remedy: string
}

const readinessPollMs = 10
const maxAttempts = 5
// Servers end with what follows from a failure: dozens of lines after the one that says what failed.
const failureLines = 150
const portTaken = /address already in use|eaddrinuse/i

class ProgramLaunchError extends Error {
  override readonly name = 'ProgramLaunchError'
  readonly isPortTaken: boolean

  constructor({ name, supervisor, remedy }: ProgramLaunch, what: string) {
    const log = supervisor.log(failureLines)
    super(`${name} did not come up: ${what}. The last lines of its log:\n${log || '(empty)'}\n${remedy}`)
    this.isPortTaken = portTaken.test(log)
  }
}

/** Starts the program. Resolves when it takes connections; otherwise it is gone, and the last lines of its log tell why. */
export async function launchProgram(launch: ProgramLaunch): Promise<SupervisedProcess> {
  const newLines = followLog(join(launch.supervisor.folder, logFileName))
  const deadline = performance.now() + launch.startTimeoutMs
  const process = await launch.supervisor.run(launch.order)
  while (!newLines().some(line => launch.readyPattern.test(line))) {
    if (process.exit !== undefined) throw new ProgramLaunchError(launch, 'it ended at once')
    if (performance.now() > deadline) {
      const failure = new ProgramLaunchError(launch, `it took no connections within ${launch.startTimeoutMs} ms`)
      await process.signal('SIGKILL')
      await process.untilExit()
      throw failure
    }
    await delay(readinessPollMs)
  }
  return process
}

/** Runs a program that prepares the server and ends. Rejects when it fails. */
export async function runToEnd(launch: ProgramLaunch): Promise<void> {
  const process = await launch.supervisor.run(launch.order)
  const { code } = await process.untilExit()
  if (code !== 0) throw new ProgramLaunchError(launch, `a program that prepares it ended with code ${code}`)
}

/**
 * Calls `start` with free ports, and again with others when somebody else was faster to take one: then it rejects with
 * an error whose `isPortTaken` is true.
 */
export async function onFreePorts<Started>(
  count: number,
  start: (ports: readonly number[]) => Promise<Started>,
): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    const ports = new Set<number>()
    while (ports.size < count) ports.add(await freePort())
    try {
      return await start([...ports])
    } catch (error) {
      const { isPortTaken } = error as { readonly isPortTaken?: boolean }
      if (isPortTaken !== true || attempt === maxAttempts) throw error
    }
  }
}
