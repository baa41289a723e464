import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface ShopRun {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ShopProcess {
  readonly pid: number
  /** Resolves with the match when what it has printed matches; rejects when it ends first. */
  until(printed: RegExp): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<ShopRun>
}

/** The command line as `npm start` runs it, in a process of its own; it ends with the test at the latest. */
export function startShop(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ShopProcess {
  return startProgram('main.ts', args, environment)
}

/** One service as `npm run service` runs it, in a process of its own; it ends with the test at the latest. */
export function startService(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ShopProcess {
  return startProgram('service.ts', args, environment)
}

function startProgram(name: string, args: readonly string[], environment: NodeJS.ProcessEnv): ShopProcess {
  const program = fileURLToPath(new URL(`../../src/${name}`, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=mekong-source', program, ...args], {
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: join(tmpdir(), 'mekong-shop-compile-cache'),
      INIT_CWD: undefined,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A test that has timed out leaves none behind.
  onTestFinished(() => void child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const watch of watchers) watch()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<ShopRun>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    pid: child.pid ?? 0,
    ended,
    kill: signal => void child.kill(signal),
    until: printed =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const match = printed.exec(stdout)
          if (match === null) return
          watchers.delete(watch)
          resolve(match)
        }
        watchers.add(watch)
        watch()
        ended.then(run => reject(new Error(`ended with ${run.code} first:\n${run.stdout}${run.stderr}`)), reject)
      }),
  }
}

export function runShop(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<ShopRun> {
  return startShop(args, environment).ended
}
