import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compileCacheFolder } from '../cache-folder.ts'
import type { SupervisorReport, SupervisorRequest, SupervisorSettings } from './supervisor-protocol.ts'

type Answer<Kind extends SupervisorReport['kind']> = Extract<SupervisorReport, { kind: Kind }>

interface Waiting {
  readonly resolve: (report: SupervisorReport) => void
  readonly reject: (error: Error) => void
}

/** The line to a supervisor process: that it breaks, for whatever reason, tells the supervisor that the run is over. */
export interface SupervisorLine {
  request(request: SupervisorRequest): void
  /** The next answer, which must be of this kind: answers come in the order of the requests. */
  answer<Kind extends SupervisorReport['kind']>(kind: Kind): Promise<Answer<Kind>>
  /** Replaces the listener of what is no answer: messages and exits, then undefined when the supervisor is gone. */
  listen(listener: (report: SupervisorReport | undefined) => void): void
  /** Keeps this process alive until the promise is settled; otherwise a supervisor does not. */
  whileReferenced<Value>(promise: Promise<Value>): Promise<Value>
  /** Resolves when the supervisor has ended its process and itself. */
  close(): Promise<void>
}

const programFile = fileURLToPath(new URL('./supervisor-process.ts', import.meta.url))

export function openSupervisorLine(settings: SupervisorSettings): SupervisorLine {
  const supervisor = spawnSupervisor(settings)
  const waiting: Waiting[] = []
  let listener: ((report: SupervisorReport | undefined) => void) | undefined
  const breakOff = async (): Promise<void> => {
    const reason = await untilGone(supervisor)
    for (const { reject } of waiting.splice(0)) reject(new Error(`The supervisor of ${settings.folder} ${reason}`))
    listener?.(undefined)
  }
  const gone = breakOff()
  supervisor.on('message', (report: SupervisorReport) => {
    if (report.kind === 'message' || report.kind === 'exited') listener?.(report)
    else waiting.shift()?.resolve(report)
  })

  const whileReferenced = referenceCounter(supervisor)
  return {
    request: request => void supervisor.send(request, () => {}), // a broken line fails the answer
    answer: kind => whileReferenced(nextAnswer(supervisor, waiting, kind)),
    listen: next => (listener = next),
    whileReferenced,
    close() {
      if (supervisor.connected) supervisor.disconnect()
      return whileReferenced(gone)
    },
  }
}

function spawnSupervisor(settings: SupervisorSettings): ChildProcess {
  return spawn(process.execPath, [programFile, JSON.stringify(settings)], {
    cwd: '/',
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: compileCacheFolder() },
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

function untilGone(supervisor: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    supervisor.once('error', error => resolve(`could not start: ${error.message}`))
    supervisor.once('exit', (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`))
  })
}

async function nextAnswer<Kind extends SupervisorReport['kind']>(
  supervisor: ChildProcess,
  waiting: Waiting[],
  kind: Kind,
): Promise<Answer<Kind>> {
  if (!supervisor.connected) throw new Error('The supervisor has ended')
  const report = await new Promise<SupervisorReport>((resolve, reject) => waiting.push({ resolve, reject }))
  if (report.kind === 'failed') throw new Error(report.reason)
  if (report.kind !== kind) throw new Error(`The supervisor answered ${report.kind} instead of ${kind}`)
  return report as Answer<Kind>
}

function referenceCounter(supervisor: ChildProcess): SupervisorLine['whileReferenced'] {
  let count = 0
  const unreference = (): void => {
    supervisor.unref()
    supervisor.channel?.unref()
  }
  unreference()
  return async promise => {
    if (count++ === 0) {
      supervisor.ref()
      supervisor.channel?.ref()
    }
    try {
      return await promise
    } finally {
      if (--count === 0) unreference()
    }
  }
}
