import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { startPostgres } from '../src/index.ts'
import { isAlive } from './is-alive.ts'

const runScript = fileURLToPath(new URL('./scripts/run.ts', import.meta.url))

/** What a run has: a Postgres that works, one that is paused, one that was killed, and a child that is paused. */
interface Belongings {
  readonly pids: readonly number[]
  readonly folders: readonly string[]
}

interface Run {
  readonly process: ChildProcess
  readonly pid: number
  readonly belongings: Belongings
  /** Resolves when the run and all of its supervisors have ended: each of them holds the other end of its stderr. */
  readonly ended: Promise<unknown>
}

// The first start of a machine fills the cache.
beforeAll(async () => {
  await (await startPostgres()).stop()
})

async function startRun(ending: string): Promise<Run> {
  // A process group of its own, as a terminal gives to a command.
  const run = spawn(process.execPath, [runScript, ending], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  run.stderr?.setEncoding('utf8').on('data', text => (errors += String(text)))
  const ended = once(run, 'close')
  const belongings = await Promise.race([once(run, 'message').then(([message]) => message as Belongings), ended])
  if (Array.isArray(belongings) || run.pid === undefined)
    throw new Error(`The run ended before it had begun: ${errors}`)
  return { process: run, pid: run.pid, belongings, ended }
}

function leftBehind({ pids, folders }: Belongings): unknown {
  return { pids: pids.filter(isAlive), folders: folders.filter(folder => existsSync(folder)) }
}

describe('a run leaves neither process nor folder behind', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('when it is ended by %s', async signal => {
    const run = await startRun('stay')
    process.kill(run.pid, signal)
    await run.ended
    expect(leftBehind(run.belongings)).toEqual({ pids: [], folders: [] })
  })

  it('when a terminal interrupts all of its processes', async () => {
    const run = await startRun('stay')
    process.kill(-run.pid, 'SIGINT')
    await run.ended
    expect(leftBehind(run.belongings)).toEqual({ pids: [], folders: [] })
  })

  it.each(['exit', 'throw', 'idle'])('when it ends by itself without stopping its servers: %s', async ending => {
    const run = await startRun(ending)
    await run.ended
    expect(leftBehind(run.belongings)).toEqual({ pids: [], folders: [] })
  })

  it('and takes nothing away from another run', async () => {
    const [run, other] = await Promise.all([startRun('stay'), startRun('stay')])
    process.kill(run.pid, 'SIGKILL')
    await run.ended
    expect(other.belongings.folders.filter(folder => existsSync(folder))).toEqual(other.belongings.folders)
    process.kill(other.pid, 'SIGKILL')
    await other.ended
    expect(leftBehind(other.belongings)).toEqual({ pids: [], folders: [] })
  })
})
