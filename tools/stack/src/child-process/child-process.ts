import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileCacheFolder } from '../cache-folder.ts'
import { childMarker } from './child-script.ts'
import { createMailbox, type Mailbox, type NamedMessage } from './mailbox.ts'
import { startSupervisor, type SupervisedProcess, type Supervisor } from '../supervisor/supervisor.ts'
import type { ProcessExit } from '../supervisor/supervisor-protocol.ts'

export interface ChildProcessOptions {
  /** @default [] */
  readonly arguments?: readonly string[]
  /**
   * Added to the environment of this process.
   * @default {}
   */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /**
   * How long `signal` waits.
   * @default 20000
   */
  readonly signalTimeoutMs?: number
}

/**
 * A TypeScript program in a Node process of its own, for a test to kill. It speaks with the test in named signals, by
 * `announce` and `untilTold`. It ends with the test's process, however that ends.
 */
export interface ChildProcess extends AsyncDisposable {
  readonly pid: number
  readonly hasEnded: boolean
  /**
   * Resolves with what the child announced under this name. An announcement that came before the call is kept; each is
   * given once, in their order. Rejects with the last lines of the child's output when it ends first or takes too long.
   */
  signal<Announced = unknown>(name: string): Promise<Announced>
  /** Tells the child something, as JSON, that it gets from `untilTold(name)`. */
  tell(name: string, content?: unknown): void
  /** SIGKILL. Resolves when the child is gone and what it announced has arrived. */
  kill(): Promise<void>
  /** SIGTERM. Resolves when the child has ended by it, with how. */
  terminate(): Promise<ProcessExit>
  /** SIGSTOP: the child stands still, its connections stay open. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): Promise<void>
  untilExit(): Promise<ProcessExit>
  /** The last lines that the child printed. */
  log(): string
  /**
   * Ends the child. Rejects with the last lines of its output when it had failed by itself and nobody has heard of
   * that: no test passes over a child that crashed. May be called again.
   */
  stop(): Promise<void>
}

/** Runs a TypeScript file, with `mekong-source` among the conditions of its imports. Resolves when the process runs. */
export async function startChildProcess(file: URL | string, options: ChildProcessOptions = {}): Promise<ChildProcess> {
  const path = file instanceof URL ? fileURLToPath(file) : file
  const announced = createMailbox()
  const supervisor = await startSupervisor({ name: 'child', endSignal: 'SIGKILL' })
  const running = await supervisor.run({
    command: process.execPath,
    arguments: ['--conditions=mekong-source', path, ...(options.arguments ?? [])],
    environment: {
      NODE_COMPILE_CACHE: compileCacheFolder(),
      ...process.env,
      ...options.environment,
      [childMarker]: '1',
    },
    workingFolder: process.cwd(),
    onMessage: message => announced.deliver(message as NamedMessage),
  })
  const { signalTimeoutMs = 20_000 } = options
  return childProcess({ name: basename(path), announced, supervisor, running, signalTimeoutMs })
}

interface ChildParts {
  readonly name: string
  readonly announced: Mailbox
  readonly supervisor: Supervisor
  readonly running: SupervisedProcess
  readonly signalTimeoutMs: number
}

function childProcess(parts: ChildParts): ChildProcess {
  const { supervisor, running } = parts
  let isEndExpected = false

  async function end(endSignal: NodeJS.Signals): Promise<ProcessExit> {
    isEndExpected = true
    await running.signal(endSignal)
    return running.untilExit()
  }

  async function signal<Announced>(name: string): Promise<Announced> {
    try {
      return (await untilAnnounced(parts, name)) as Announced
    } catch (error) {
      isEndExpected ||= running.exit !== undefined // if that is a failure, it is told now
      throw error
    }
  }

  async function stop(): Promise<void> {
    const hasFailed = !isEndExpected && running.exit !== undefined && running.exit.code !== 0
    const failure = hasFailed ? childFailure(parts, 'and nobody waited for that') : undefined
    isEndExpected = true
    await supervisor.end()
    if (failure !== undefined) throw failure
  }

  return {
    pid: running.pid,
    get hasEnded() {
      return running.exit !== undefined
    },
    signal,
    tell: (name, content = null) => running.send({ name, content } satisfies NamedMessage),
    kill: async () => void (await end('SIGKILL')),
    terminate: () => end('SIGTERM'),
    pause: () => running.signal('SIGSTOP'),
    resume: () => running.signal('SIGCONT'),
    untilExit() {
      isEndExpected = true
      return running.untilExit()
    },
    log: () => supervisor.log(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function untilAnnounced(parts: ChildParts, name: string): Promise<unknown> {
  const giveUp = new AbortController()
  const timer = setTimeout(() => {
    giveUp.abort(childFailure(parts, `and did not announce '${name}' within ${parts.signalTimeoutMs} ms`))
  }, parts.signalTimeoutMs)
  const abortAtExit = async (): Promise<void> => {
    await parts.running.exited
    giveUp.abort(childFailure(parts, `and had not announced '${name}'`))
  }
  void abortAtExit()
  try {
    return await parts.announced.take(name, giveUp.signal)
  } finally {
    clearTimeout(timer)
  }
}

function childFailure({ name, running, supervisor }: ChildParts, what: string): Error {
  return new Error(`${name} ${describe(running.exit)} ${what}. Its last lines:\n${supervisor.log() || '(none)'}`)
}

function describe(exit: ProcessExit | undefined): string {
  if (exit === undefined) return 'still runs'
  return exit.signal === null ? `ended with code ${exit.code}` : `ended by ${exit.signal}`
}
