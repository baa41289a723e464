import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/**
 * Sends a signal to a process that is known to run; SIGKILL, SIGSTOP and SIGCONT go to all that descend from it too.
 *
 * Servers give their children sessions of their own, so that a process group does not reach them. The first process is
 * stopped before its children are looked for, so that it makes no more of them.
 */
export function signalProcessTree(pid: number, signal: NodeJS.Signals): void {
  switch (signal) {
    case 'SIGSTOP':
      stopTree(pid)
      return
    case 'SIGCONT':
    case 'SIGKILL':
      for (const one of [...stopTree(pid)].toReversed()) send(one, signal)
      return
    default:
      send(pid, signal)
  }
}

function stopTree(pid: number): Set<number> {
  const stopped = new Set([pid])
  send(pid, 'SIGSTOP')
  for (let before = 0; before < stopped.size;) {
    before = stopped.size
    for (const one of descendants(pid)) {
      if (stopped.has(one)) continue
      stopped.add(one)
      send(one, 'SIGSTOP')
    }
  }
  return stopped
}

/** The processes that this one started, and those that they started. */
export function descendants(root: number): number[] {
  const parents = process.platform === 'linux' ? parentsFromProc() : parentsFromPs()
  const found: number[] = []
  const pending = [root]
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    for (const [pid, parentPid] of parents) {
      if (parentPid !== parent) continue
      found.push(pid)
      pending.push(pid)
    }
  }
  return found
}

// Small images have no ps.
function parentsFromProc(): Map<number, number> {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const parent = parentFromProc(pid)
    if (parent !== undefined) parents.set(pid, parent)
  }
  return parents
}

function parentFromProc(pid: number): number | undefined {
  try {
    // pid (name, which may hold blanks and brackets) state parent …
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined // it ended meanwhile
  }
}

function parentsFromPs(): Map<number, number> {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  return new Map(
    lines.map(line => {
      const [pid = NaN, parent = NaN] = line.trim().split(/\s+/).map(Number)
      return [pid, parent]
    }),
  )
}

function send(pid: number, signal: NodeJS.Signals): void {
  // 0 and below name groups, -1 every process of the user, 1 is the machine's first.
  if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pid} is not a process that may be sent ${signal}`)
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
