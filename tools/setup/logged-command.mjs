import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { SetupFailure } from './setup-failure.mjs'

const tailLines = 20

/**
 * @typedef {object} LoggedCommand
 * @property {string} program
 * @property {readonly string[]} arguments
 * @property {string} folder
 * @property {NodeJS.ProcessEnv} environment
 * @property {string} log receives all it prints
 * @property {string} remedy for the reader when it fails
 * @property {boolean} [shell]
 * @property {(pid: number) => void} [onStart]
 */

/**
 * Runs a command of the set-up quietly; when it fails, the failure carries the end of its log.
 *
 * @param {LoggedCommand} command
 * @returns {Promise<void>}
 */
export async function runLogged(command) {
  mkdirSync(dirname(command.log), { recursive: true })
  const log = createWriteStream(command.log)
  const child = spawn(command.program, command.arguments, {
    cwd: command.folder,
    env: command.environment,
    shell: command.shell ?? false,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  if (child.pid !== undefined) command.onStart?.(child.pid)
  const stop = stopOnSignals(child)
  const outcome = await ended(child)
  stop()
  log.end()
  await finished(log)
  if (outcome !== 'code 0') throw failure(command, outcome)
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<string>}
 */
function ended(child) {
  return new Promise(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`))
  })
}

/**
 * An interrupted set-up ends its command first, so that nobody writes behind the back of the next one.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @returns {() => void} back to the default
 */
function stopOnSignals(child) {
  /** @param {NodeJS.Signals} signal */
  const stop = signal => {
    child.once('close', () => process.exit(signal === 'SIGINT' ? 130 : 143))
    child.kill('SIGTERM')
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return () => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/**
 * @param {LoggedCommand} command
 * @param {string} outcome
 */
function failure(command, outcome) {
  const tail = readFileSync(command.log, 'utf8').trimEnd().split('\n').slice(-tailLines)
  return new SetupFailure(
    [`${command.program} ${command.arguments.join(' ')} ended with ${outcome}:`, ...tail.map(line => `  ${line}`)].join(
      '\n',
    ),
    `${command.remedy} The log is ${command.log}`,
  )
}
