import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'

/** What a container has logged, its end kept in memory as it comes. */
export interface ContainerLog {
  /** Takes in the log of a container that has just started, as a stream of text. */
  follow(stream: Readable, ready: ReadyLines): ContainerRun
  /** The last lines. */
  tail(maxLines?: number): string
}

/** What a server logs when it takes connections: so many lines that match. */
export interface ReadyLines {
  readonly pattern: RegExp
  readonly count: number
}

/** A container from a start of it to its end, as far as its log tells. */
export interface ContainerRun {
  readonly hasEnded: boolean
  /** Resolves when the last line has come: the container has ended. */
  readonly ended: Promise<void>
  /** Resolves with true when the server takes connections, with false when it ends before that. */
  readonly ready: Promise<boolean>
}

const keptCharacters = 64 * 1024

export function createContainerLog(): ContainerLog {
  let kept = ''
  return {
    follow(stream, ready) {
      stream.on('data', (text: string | Buffer) => {
        kept += text.toString()
        if (kept.length > 2 * keptCharacters) kept = kept.slice(-keptCharacters)
      })
      return followRun(stream, ready)
    },
    tail: (maxLines = 40) => kept.trimEnd().split('\n').slice(-maxLines).join('\n'),
  }
}

function followRun(stream: Readable, { pattern, count }: ReadyLines): ContainerRun {
  const ready = Promise.withResolvers<boolean>()
  let hasEnded = false
  let matched = 0
  let begun = ''

  function read(text: string | Buffer): void {
    const lines = (begun + text.toString()).split('\n')
    begun = lines.pop() ?? ''
    matched += lines.filter(line => pattern.test(line)).length
    if (matched < count) return
    stream.off('data', read)
    ready.resolve(true)
  }

  function end(): void {
    hasEnded = true
    ready.resolve(false)
  }

  stream.on('data', read)
  return {
    get hasEnded() {
      return hasEnded
    },
    // A line to the engine that breaks tells no more of the container either.
    ended: finished(stream, { writable: false }).then(end, end),
    ready: ready.promise,
  }
}
