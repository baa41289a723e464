import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { logTail } from '../log-tail.ts'
import type { SystemUser } from '../system-user.ts'
import { type Storage, temporaryFolder } from '../temporary-folder.ts'
import { openSupervisorLine, type SupervisorLine } from './supervisor-line.ts'
import { logFileName, type ProcessExit, type ProcessSpecification } from './supervisor-protocol.ts'

export interface SupervisorOptions {
  /** Names the folder. */
  readonly name: string
  readonly storage?: Storage | undefined
  readonly owner?: SystemUser | undefined
  /** How a process is ended that runs when the run ends. */
  readonly endSignal: NodeJS.Signals
  /**
   * How long it then has before SIGKILL.
   * @default 5000
   */
  readonly endTimeoutMs?: number | undefined
}

/**
 * A process of its own that runs other processes, one at a time, and ends with this process, however this one ends:
 * then it ends what it runs and removes its folder.
 */
export interface Supervisor {
  readonly folder: string
  /** Rejects when the process cannot be started. */
  run(order: ProcessOrder): Promise<SupervisedProcess>
  /** The last lines that its processes printed. */
  log(maxLines?: number): string
  /** Resolves when the process is ended, the folder removed and the supervisor gone. May be called again. */
  end(): Promise<void>
}

/** A process run by a supervisor. */
export interface SupervisedProcess {
  readonly pid: number
  /** Undefined while it runs; without code and signal when it was ended together with its supervisor. */
  readonly exit: ProcessExit | undefined
  /** Resolves when the process is gone and what it said has arrived. Does not keep this process alive. */
  readonly exited: Promise<ProcessExit>
  /** Waits for `exited`, and keeps this process alive until then. */
  untilExit(): Promise<ProcessExit>
  /** Resolves when the signal has been sent; nothing is sent to a process that is gone. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Sends a message to a process ordered with messages. */
  send(message: unknown): void
}

export interface ProcessOrder extends Omit<ProcessSpecification, 'hasMessages'> {
  /** Called with each message of the process, which must be a Node process. Without it there is no line to it. */
  readonly onMessage?: ((message: unknown) => void) | undefined
}

export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { name, storage = 'disk', owner, endSignal, endTimeoutMs = 5_000 } = options
  const parent = temporaryFolder({ storage, isForOthers: owner !== undefined })
  const folder = join(parent, `mekong-${name}-${randomBytes(6).toString('hex')}`)
  const line = openSupervisorLine({ folder, owner, endSignal, endTimeoutMs })
  await line.answer('ready')
  return {
    folder,
    run: order => runProcess(line, order),
    log: maxLines => logTail(join(folder, logFileName), maxLines),
    end: () => line.close(),
  }
}

async function runProcess(line: SupervisorLine, order: ProcessOrder): Promise<SupervisedProcess> {
  const { onMessage, ...process } = order
  let exit: ProcessExit | undefined
  const exited = new Promise<ProcessExit>(resolve => {
    line.listen(report => {
      if (report?.kind === 'message') onMessage?.(report.message)
      else resolve((exit = report?.kind === 'exited' ? report.exit : { code: null, signal: null }))
    })
  })
  line.request({ kind: 'run', process: { ...process, hasMessages: onMessage !== undefined } })
  const { pid } = await line.answer('running')
  return {
    pid,
    get exit() {
      return exit
    },
    exited,
    untilExit: () => line.whileReferenced(exited),
    async signal(signal) {
      if (exit !== undefined) return
      line.request({ kind: 'signal', signal })
      await line.answer('signalled')
    },
    send: message => line.request({ kind: 'message', message }),
  }
}
