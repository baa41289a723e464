import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { repositoryRoot } from './repository.mjs'
import { environmentWith } from './task-environment.mjs'

const endWithParent = new URL('end-with-parent-at-start.mjs', import.meta.url).href

/**
 * Runs the task in the foreground and ends as it ends: same exit code, same signal.
 *
 * @param {import('./tasks.mjs').Task} task
 * @param {{ node: string, pnpm: string, userArguments: readonly string[] }} how
 * @returns {Promise<void>}
 */
export async function runTask(task, { node, pnpm, userArguments }) {
  const userFolder = process.env.INIT_CWD ?? process.cwd()
  const child = spawn(
    node,
    [
      '--conditions=mekong-source',
      `--import=${endWithParent}`,
      task.program === 'pnpm' ? pnpm : join(repositoryRoot, task.program),
      ...userArguments,
    ],
    {
      cwd: task.folder === 'user' ? userFolder : repositoryRoot,
      env: environmentWith({ ...process.env, INIT_CWD: userFolder }, { node, pnpm }),
      stdio: 'inherit',
    },
  )
  const signals = passOnSignals(child)
  const [code, signal] = await once(child, 'exit')
  signals.stop()
  if (signal === null) process.exitCode = code
  else process.kill(process.pid, signal)
}

/**
 * A terminal interrupts the child itself, and an interrupt that comes twice means "at once" to many programs: only what
 * no terminal sent is passed on.
 *
 * @param {import('node:child_process').ChildProcess} child
 */
function passOnSignals(child) {
  const interrupt = () => void (process.stdin.isTTY || child.kill('SIGINT'))
  const terminate = () => void child.kill('SIGTERM')
  const hangUp = () => void child.kill('SIGHUP')
  process.on('SIGINT', interrupt).on('SIGTERM', terminate).on('SIGHUP', hangUp)
  return {
    stop: () => void process.off('SIGINT', interrupt).off('SIGTERM', terminate).off('SIGHUP', hangUp),
  }
}
