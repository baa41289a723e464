import { readFileSync } from 'node:fs'

const pollMs = 500

/**
 * Ends this process as by SIGTERM when the process that started it is gone, also by SIGKILL: a run must not outlive the
 * command that started it. (Windows does not tell: the parent's id stays.)
 */
export function endWithParent() {
  const parent = process.ppid
  const commandOfShell = shellOwner(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && shellOwner(parent) === commandOfShell) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, pollMs)
  timer.unref()
}

/**
 * npm runs a script through `sh -c`, and some shells stay in between and survive their npm.
 *
 * @param {number} pid
 * @returns {string | undefined} the id of the process that started this shell; undefined when it is none
 */
function shellOwner(pid) {
  if (process.platform !== 'linux') return undefined
  try {
    const [, name, owner] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return name === 'sh' || name === 'dash' ? owner : undefined
  } catch {
    return undefined
  }
}
