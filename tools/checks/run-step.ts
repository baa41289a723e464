import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command, Step } from './steps.ts'

interface Outcome {
  readonly isGreen: boolean
  readonly output: string
}

/** Runs a check and prints one line for it; what it printed itself only when it failed. */
export async function runStep(step: Step, root: string): Promise<boolean> {
  const started = performance.now()
  const { isGreen, output } = await runAll(step.commands, root)
  console.log(`${isGreen ? '✓' : '✗'} ${step.name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  if (!isGreen) console.log(output.trimEnd())
  return isGreen
}

async function runAll(commands: readonly Command[], root: string): Promise<Outcome> {
  for (const command of commands) {
    const outcome = await run(command, root)
    if (!outcome.isGreen) return outcome
  }
  return { isGreen: true, output: '' }
}

async function run([program, ...args]: Command, root: string): Promise<Outcome> {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, PATH: [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter) },
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { isGreen: code === 0, output: stdout + stderr }
}
