import { MekongError } from '@mekong/core'
import type { Arrived } from '../declare/step-state.ts'

/**
 * Refuses data that would come back from the database as something else: events that wait are kept as JSON, and a handler
 * must not get a text where its types promise a Date.
 * @throws MekongError INVALID_DATA naming event and field, never the value
 */
export function requireJson(step: string, waiting: readonly Arrived[]): void {
  for (const { type, data } of waiting) {
    const path = notJson(data, [])
    if (path === undefined) continue
    const where = path.length === 0 ? 'the data' : path.join('.')
    throw new MekongError(
      'INVALID_DATA',
      `"${type}" waits for the step "${step}" as JSON, which cannot keep ${where} as it is`,
    )
  }
}

function notJson(value: unknown, path: readonly string[]): readonly string[] | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? undefined : path
  if (typeof value !== 'object' || !isPlain(value)) return path
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined && !Array.isArray(value)) continue
    const found = notJson(inner, [...path, name])
    if (found !== undefined) return found
  }
  return undefined
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}
