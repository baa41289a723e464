import { randomUUID } from 'node:crypto'

/** Makes names that nobody else makes: a random one for all, and a number for each, which costs a tenth of a UUID. */
export function createTokens(): () => string {
  const prefix = randomUUID()
  let count = 0
  return () => `${prefix}.${(++count).toString(36)}`
}
