import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('fixtures/run-task.mjs', import.meta.url))

interface RunningTask {
  readonly runner: ChildProcessByStdio<Writable, Readable, null>
  readonly said: { pid: number; folder: string; arguments: string[] }
  /** Resolves when the task itself is gone, which may be later than its runner. */
  readonly taskEnded: Promise<unknown>
}

describe('a running task', () => {
  let folder: string

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'mekong-task-')))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('gets the arguments as they are, in the folder where the user was', async () => {
    const { runner, said } = await startTask('--orders', 'my orders.csv')
    runner.stdin.end()
    await once(runner, 'exit')
    expect(said).toMatchObject({ folder, arguments: ['--orders', 'my orders.csv'] })
  })

  it('gives its exit code to its runner', async () => {
    const { runner } = await startTask()
    runner.stdin.end()
    expect(await once(runner, 'exit')).toEqual([3, null])
  })

  it('gets the signals of its runner', async () => {
    const { runner } = await startTask()
    runner.kill('SIGTERM')
    expect(await once(runner, 'exit')).toEqual([7, null])
  })

  it('gives the signal that ended it to its runner', async () => {
    const { runner, said } = await startTask()
    process.kill(said.pid, 'SIGKILL')
    expect(await once(runner, 'exit')).toEqual([null, 'SIGKILL'])
  })

  it('ends when its runner is killed', async () => {
    const { runner, taskEnded } = await startTask('--without-input')
    runner.kill('SIGKILL')
    await taskEnded
  })

  async function startTask(...userArguments: string[]): Promise<RunningTask> {
    const runner = spawn(process.execPath, [program, ...userArguments], {
      cwd: tmpdir(),
      env: { ...process.env, INIT_CWD: folder },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [line] = await once(runner.stdout, 'data')
    return { runner, said: JSON.parse(String(line)), taskEnded: once(runner.stdout, 'end') }
  }
})
