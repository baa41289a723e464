// The program of a supervisor: runs one process at a time for the run that started it, and outlives that run just long
// enough to end the process and remove its folder. Being the parent of the process, it cannot take another one for it:
// the system gives the process id to nobody else before this program has heard of the end.
import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { signalProcessTree } from './process-tree.ts'
import {
  logFileName,
  type ProcessExit,
  type ProcessSpecification,
  type SupervisorReport,
  type SupervisorRequest,
  type SupervisorSettings,
} from './supervisor-protocol.ts'

interface RunningProcess {
  readonly child: ChildProcess
  readonly pid: number
  readonly gone: Promise<void>
}

const settings = JSON.parse(process.argv[2] ?? '') as SupervisorSettings
let running: RunningProcess | undefined
let isEnding = false

makeFolder()
process.on('message', (request: SupervisorRequest) => answer(request))
process.once('disconnect', () => void end())
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void end())
report({ kind: 'ready' })

function makeFolder(): void {
  mkdirSync(settings.folder, { mode: 0o700 })
  if (settings.owner !== undefined) chownSync(settings.folder, settings.owner.uid, settings.owner.gid)
}

function report(what: SupervisorReport): void {
  // The run may be gone; the error of a message that it can no longer hear is nobody's.
  if (process.connected) process.send?.(what, undefined, undefined, () => {})
}

function answer(request: SupervisorRequest): void {
  if (isEnding) return
  switch (request.kind) {
    case 'run':
      run(request.process)
      return
    case 'signal':
      if (running !== undefined) signalRunning(running, request.signal)
      report({ kind: 'signalled' })
      return
    case 'message':
      if (running?.child.connected === true) running.child.send(request.message as object, () => {})
      return
    default:
      request satisfies never
  }
}

function run(specification: ProcessSpecification): void {
  if (running !== undefined) {
    report({ kind: 'failed', reason: `process ${running.pid} still runs` })
    return
  }
  const child = spawnLogged(specification)
  const { pid } = child
  if (pid === undefined) {
    child.once('error', error => report({ kind: 'failed', reason: error.message }))
    return
  }
  child.on('error', () => {}) // of a signal or a message to a process that has ended
  child.on('message', message => report({ kind: 'message', message }))
  running = { child, pid, gone: reportExit(child, specification.hasMessages) }
  report({ kind: 'running', pid })
}

function spawnLogged(specification: ProcessSpecification): ChildProcess {
  const log = openSync(join(settings.folder, logFileName), 'a', 0o600)
  try {
    return spawn(specification.command, specification.arguments, {
      cwd: specification.workingFolder,
      env: specification.environment,
      // A session of its own: an interrupt from the terminal is for the run, which ends its servers in its own order.
      detached: true,
      stdio: ['ignore', log, log, ...(specification.hasMessages ? (['ipc'] as const) : [])],
      ...specification.user,
    })
  } finally {
    closeSync(log)
  }
}

async function reportExit(child: ChildProcess, hasMessages: boolean): Promise<void> {
  const exit = await untilGone(child, hasMessages)
  running = undefined
  report({ kind: 'exited', exit })
}

async function untilGone(child: ChildProcess, hasMessages: boolean): Promise<ProcessExit> {
  const exit = new Promise<ProcessExit>(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  // What it said last arrives before its end is told.
  const hasSaidAll = new Promise<void>(resolve => {
    if (hasMessages) child.once('disconnect', resolve)
    else resolve()
  })
  return (await Promise.all([exit, hasSaidAll]))[0]
}

function signalRunning({ child, pid }: RunningProcess, signal: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) signalProcessTree(pid, signal)
}

async function end(): Promise<void> {
  if (isEnding) return
  isEnding = true
  if (running !== undefined) await endProcess(running)
  rmSync(settings.folder, { recursive: true, force: true, maxRetries: 10 })
  process.exit()
}

async function endProcess(ending: RunningProcess): Promise<void> {
  const killing = setTimeout(() => signalRunning(ending, 'SIGKILL'), settings.endTimeoutMs)
  signalRunning(ending, 'SIGCONT') // it may be paused, and would not hear
  signalRunning(ending, settings.endSignal)
  await ending.gone
  clearTimeout(killing)
}
