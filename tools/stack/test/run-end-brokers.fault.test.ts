import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { descendants } from '../src/supervisor/process-tree.ts'
import { isAlive } from './is-alive.ts'

it('takes brokers and everything that they have started with it when a run is killed', async () => {
  const script = fileURLToPath(new URL('./scripts/run-brokers.ts', import.meta.url))
  // Programs: what a container runs is no process of this machine's run.
  const environment = { ...process.env, MEKONG_STACK: 'programs' }
  const run = spawn(process.execPath, [script], { env: environment, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await Promise.race([
    once(run, 'message'),
    once(run, 'exit').then(() => Promise.reject(new Error('The run ended before it had begun'))),
  ])
  const processes = descendants(run.pid!)
  expect(processes.length).toBeGreaterThan(8) // of each server a supervisor and itself, and what RabbitMQ starts
  run.kill('SIGKILL')
  await expect.poll(() => processes.filter(isAlive), { timeout: 20_000 }).toEqual([])
})
