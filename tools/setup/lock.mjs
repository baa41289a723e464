import { randomUUID } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const heartbeatMs = 1_000
const defaultSilenceMs = 30_000
const pollMs = 200

/**
 * @typedef {object} Lock
 * @property {(pid: number) => void} shareWith the lock is held as long as this process lives too
 */

/**
 * Runs the body while no other process on this lock file does. A holder that died is noticed at once by its process id,
 * and one that cannot be looked up (another machine, a reused id) by a heartbeat that stops.
 *
 * @template T
 * @param {string} file
 * @param {(lock: Lock) => Promise<T>} body
 * @param {object} options
 * @param {() => void} options.onWait called once, when somebody else holds it
 * @param {number} [options.silenceMs] how long a heartbeat may be missing, at least several seconds
 * @returns {Promise<T>}
 */
export async function withLock(file, body, { onWait, silenceMs = defaultSilenceMs }) {
  const held = await acquire(file, onWait, silenceWatch(silenceMs))
  const heartbeat = setInterval(() => held.beat(), heartbeatMs)
  heartbeat.unref()
  const release = () => held.release()
  process.once('exit', release)
  try {
    return await body(held)
  } finally {
    clearInterval(heartbeat)
    process.off('exit', release)
    release()
  }
}

/**
 * @param {string} file
 * @param {() => void} onWait
 * @param {ReturnType<typeof silenceWatch>} watch
 */
async function acquire(file, onWait, watch) {
  mkdirSync(dirname(file), { recursive: true })
  const holder = { token: randomUUID(), host: hostname(), pids: [process.pid] }
  for (let waits = 0; !create(file, JSON.stringify(holder)); waits++) {
    if (waits === 1) onWait()
    removeIfAbandoned(file, watch)
    await delay(waits === 0 ? 0 : pollMs)
  }
  return heldLock(file, holder)
}

/**
 * @param {string} file
 * @param {{ token: string, host: string, pids: number[] }} holder
 */
function heldLock(file, holder) {
  const isMine = () => read(file)?.token === holder.token
  return {
    beat() {
      const now = new Date()
      if (isMine()) utimesSync(file, now, now)
    },
    /** @param {number} pid */
    shareWith(pid) {
      holder.pids.push(pid)
      if (isMine()) writeFileSync(file, JSON.stringify(holder))
    },
    release() {
      if (isMine()) rmSync(file, { force: true })
    },
  }
}

/**
 * Only one process at a time removes an abandoned lock, and looks again before it does: else two that saw the same dead
 * holder could remove the lock of whoever came between them.
 *
 * @param {string} file
 * @param {ReturnType<typeof silenceWatch>} watch
 */
function removeIfAbandoned(file, watch) {
  if (!isAbandoned(file, watch)) return
  const removal = `${file}.removal`
  if (!create(removal, '')) {
    if (watch.isSilent(removal)) rmSync(removal, { force: true })
    return
  }
  try {
    if (isAbandoned(file, watch)) rmSync(file, { force: true })
  } finally {
    rmSync(removal, { force: true })
  }
}

/**
 * @param {string} file
 * @param {ReturnType<typeof silenceWatch>} watch
 */
function isAbandoned(file, watch) {
  const holder = read(file)
  if (holder?.host === hostname() && !holder.pids.some(isAlive)) return true
  return watch.isSilent(file)
}

/**
 * Silence is measured on the waiter's own clock: a machine that slept must not make a living holder look dead.
 *
 * @param {number} silenceMs
 */
function silenceWatch(silenceMs) {
  /** @type {Map<string, { mark: string, since: number }>} */
  const seen = new Map()
  return {
    /** @param {string} file */
    isSilent(file) {
      const mark = modified(file)
      const last = seen.get(file)
      if (mark === undefined || last?.mark !== mark) {
        seen.set(file, { mark: mark ?? '', since: performance.now() })
        return false
      }
      return performance.now() - last.since > silenceMs
    },
  }
}

/** @param {string} file */
function modified(file) {
  const status = statSync(file, { throwIfNoEntry: false })
  return status === undefined ? undefined : `${status.ino}/${status.mtimeMs}`
}

/**
 * @param {string} file
 * @param {string} content
 * @returns {boolean} false when the file is there already
 */
function create(file, content) {
  try {
    const descriptor = openSync(file, 'wx')
    writeFileSync(descriptor, content)
    closeSync(descriptor)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/**
 * @param {string} file
 * @returns {{ token: string, host: string, pids: number[] } | undefined} undefined when it is gone or half written
 */
function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/**
 * @param {unknown} error
 * @param {string} code
 */
function isCode(error, code) {
  return error instanceof Error && 'code' in error && error.code === code
}
