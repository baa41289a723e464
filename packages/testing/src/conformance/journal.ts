import type { Clock } from '@mekong/core'

/** All that happened in one case, in order: what waits are decided by, and what a failure shows. */
export interface Journal {
  note(who: string, what: string): void
  /** Something happened that is not worth a line. */
  touch(): void
  /**
   * Resolves with the first answer of `look` that is neither false nor undefined. `look` is asked again after whatever was
   * noted, never by the clock.
   * @throws Error after `withinMs`, with the last of what happened
   */
  until<T>(what: string, look: () => T | false | undefined, withinMs?: number): Promise<T>
  /** How much was noted so far. */
  readonly length: number
  /** The last lines, oldest first. */
  tail(): string
  /** What happened to a key around the last time that `event`, one of its events, was completed; else at last. */
  around(key: string, event: string): string
}

const MAX_KEPT_LINES = 20_000
const MAX_SHOWN_LINES = 80

export function journal(clock: Clock, patienceMs: number): Journal {
  const startedAt = clock.monotonic()
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let isAsking = false
  let length = 0
  const ask = (): void => {
    isAsking = false
    for (const check of waiting) check()
  }
  const touch = (): void => {
    length++
    if (isAsking || waiting.size === 0) return
    isAsking = true
    setImmediate(ask)
  }
  return {
    tail: () => lines.slice(-MAX_SHOWN_LINES).join('\n'),
    around(key, event) {
      const about = linesAbout(key, lines)
      const at = about.findLastIndex(line => line.includes(` completed `) && isAbout(line, event))
      const end = at < 0 ? about.length : at + 10
      return about.slice(Math.max(0, end - MAX_SHOWN_LINES), end).join('\n')
    },
    get length() {
      return length
    },
    touch,
    note(who, what) {
      const sinceMs = (clock.monotonic() - startedAt).toFixed(0).padStart(6)
      lines.push(`${sinceMs} ms  ${who.padEnd(12)} ${what}`)
      if (lines.length > 2 * MAX_KEPT_LINES) lines.splice(0, MAX_KEPT_LINES)
      touch()
    },
    until(what, look, withinMs = patienceMs) {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          try {
            const answer = look()
            if (answer === false || answer === undefined) return
            resolve(answer)
          } catch (error) {
            reject(error)
          }
          stop()
        }
        const stop = (): void => {
          cancel()
          waiting.delete(check)
        }
        const cancel = clock.after(withinMs, () => {
          stop()
          reject(new Error(`waited ${withinMs} ms in vain for: ${what}`))
        })
        waiting.add(check)
        check()
      })
    },
  }
}

/** Of lines that list messages only those of the key; and what concerns all keys. */
function linesAbout(key: string, lines: readonly string[]): readonly string[] {
  const ids = new Set(
    lines
      .flatMap(line => [...line.matchAll(/ ([\w-]+) ([0-9a-f]{6})\b/g)])
      .flatMap(([, of, id]) => (of === key ? [id] : [])),
  )
  const isWanted = (text: string): boolean => isAbout(text, key) || text.split(' ').some(word => ids.has(word))
  return lines.flatMap(line => {
    if (/ (is killed|assigned|revoked|pauses|resumes|fails:) /.test(line)) return [line]
    const [first = '', ...others] = line.split(', ').filter((part, index) => index === 0 || isWanted(part))
    return others.length > 0 || isWanted(first) ? [[first, ...others].join(', ')] : []
  })
}

function isAbout(text: string, name: string): boolean {
  return text.split(/[^\w:-]+/).some(word => word === name || word.startsWith(`${name}:`))
}
