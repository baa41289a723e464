import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const tailBytes = 64 * 1024

/** The last lines of a log file; an empty string when there is no such file. Reads the last 64 KiB at most. */
export function logTail(file: string, maxLines = 40): string {
  return readEnd(file).trimEnd().split('\n').slice(-maxLines).join('\n')
}

function readEnd(file: string): string {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(descriptor)
    const length = Math.min(size, tailBytes)
    const bytes = Buffer.alloc(length)
    const read = readSync(descriptor, bytes, 0, length, size - length)
    return bytes.toString('utf8', 0, read)
  } finally {
    closeSync(descriptor)
  }
}
