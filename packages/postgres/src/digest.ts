import { createHash } from 'node:crypto'

/**
 * A name of any length and any characters as a uuid, for an index: Postgres takes no NUL in a text and no more than 2,704
 * bytes in a B-tree. 128 bits of SHA-256: that two names share one does not happen in practice.
 */
export function digest(...parts: readonly (string | boolean)[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5')
}
