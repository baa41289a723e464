import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const tailBytes = 64 * 1024

/** The last lines of a log file; an empty string when there is no such file. Reads the last 64 KiB at most. */
export function logTail(file: string, maxLines = 40): string {
  const end = read(file, size => Math.max(0, size - tailBytes))
  return end.toString('utf8').trimEnd().split('\n').slice(-maxLines).join('\n')
}

/** What is appended to a log file from now on: each call gives the complete lines since the one before. */
export function followLog(file: string): () => readonly string[] {
  let position = 0
  read(file, size => (position = size))
  let begun = ''
  return () => {
    const added = read(file, () => position)
    position += added.length
    const lines = (begun + added.toString('utf8')).split('\n')
    begun = lines.pop() ?? ''
    return lines
  }
}

function read(file: string, startOf: (size: number) => number): Buffer {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch {
    return Buffer.alloc(0)
  }
  try {
    const { size } = fstatSync(descriptor)
    const start = startOf(size)
    const bytes = Buffer.alloc(size - start)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, start))
  } finally {
    closeSync(descriptor)
  }
}
