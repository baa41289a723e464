import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { startPostgres } from '../src/index.ts'
import { leftOf, type ServerPlace } from './server-place.ts'
import { describeByWay } from './ways.ts'

const runScript = fileURLToPath(new URL('./scripts/run.ts', import.meta.url))

interface Run {
  readonly process: ChildProcess
  readonly pid: number
  /** Of a Postgres that works, one that is paused, one that was killed, and a child that is paused. */
  readonly belongings: ServerPlace
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
  const belongings = await Promise.race([once(run, 'message').then(([message]) => message as ServerPlace), ended])
  if (Array.isArray(belongings) || run.pid === undefined)
    throw new Error(`The run ended before it had begun: ${errors}`)
  return { process: run, pid: run.pid, belongings, ended }
}

const nothing: ServerPlace = { pids: [], folders: [], containers: [], networks: [] }

describeByWay('a run with a Postgres leaves nothing behind', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('when it is ended by %s', async signal => {
    const run = await startRun('stay')
    process.kill(run.pid, signal)
    await run.ended
    expect(await leftOf(run.belongings)).toEqual(nothing)
  })

  it('when a terminal interrupts all of its processes', async () => {
    const run = await startRun('stay')
    process.kill(-run.pid, 'SIGINT')
    await run.ended
    expect(await leftOf(run.belongings)).toEqual(nothing)
  })

  it.each(['exit', 'throw', 'idle'])('when it ends by itself without stopping its servers: %s', async ending => {
    const run = await startRun(ending)
    await run.ended
    expect(await leftOf(run.belongings)).toEqual(nothing)
  })

  it('and takes nothing away from another run', async () => {
    const [run, other] = await Promise.all([startRun('stay'), startRun('stay')])
    const before = await leftOf(other.belongings)
    process.kill(run.pid, 'SIGKILL')
    await run.ended
    expect(await leftOf(other.belongings)).toEqual(before)
    process.kill(other.pid, 'SIGKILL')
    await other.ended
    expect(await leftOf(other.belongings)).toEqual(nothing)
  })
})
