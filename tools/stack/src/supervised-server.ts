import type { EndSignal, ProgramServer } from './server.ts'
import type { SupervisedProcess, Supervisor } from './supervisor/supervisor.ts'

/** What differs from one kind of server to the next. */
export interface SupervisedServerParts {
  readonly name: string
  readonly url: string
  readonly supervisor: Supervisor
  /** The signal that shuts this server down in order, without waiting for clients to leave. */
  readonly shutdownSignal: EndSignal
  /** Starts the server on its folder and port. Resolves when it takes connections; what it started is gone otherwise. */
  launch(): Promise<SupervisedProcess>
  /** Called when the server was killed with SIGKILL and is gone. */
  afterKill?(): Promise<void>
  /** Called after the supervisor has ended the server for good. */
  afterStop?(): Promise<void>
}

/** A server whose first process already runs. */
export function superviseServer(parts: SupervisedServerParts, first: SupervisedProcess): ProgramServer {
  const { name, url, supervisor, shutdownSignal } = parts
  let process: SupervisedProcess | undefined = first

  function running(): SupervisedProcess {
    if (process === undefined || process.exit !== undefined) throw new Error(`${name} is not running`)
    return process
  }

  async function kill(signal: EndSignal = 'SIGKILL'): Promise<void> {
    const ending = running()
    await ending.signal(signal)
    await ending.untilExit()
    if (signal === 'SIGKILL') await parts.afterKill?.()
  }

  async function stop(): Promise<void> {
    process = undefined
    await supervisor.end()
    await parts.afterStop?.()
  }

  return {
    url,
    get isRunning() {
      return process !== undefined && process.exit === undefined
    },
    get pid() {
      return running().pid
    },
    kill,
    pause: async () => running().signal('SIGSTOP'),
    resume: async () => running().signal('SIGCONT'),
    async restart() {
      if (process === undefined) throw new Error(`${name} was stopped for good`)
      if (process.exit === undefined) await kill(shutdownSignal)
      process = await parts.launch()
    },
    stop,
    log: () => supervisor.log(),
    [Symbol.asyncDispose]: stop,
  }
}
