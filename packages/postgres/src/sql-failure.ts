import { isMekongError, MekongError } from '@mekong/core'

/** A statement that Postgres refused. Holds names, never values: pg's `detail` and the like are left behind. */
export interface SqlError extends Error {
  readonly name: 'SqlError'
  /** The SQLSTATE: `23505` is a unique violation. */
  readonly code: string
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly constraint: string | undefined
}

/**
 * What a seam rejects with, made from the error of any client that keeps the SQLSTATE in `code` (pg, postgres.js), itself
 * or somewhere in its causes (Drizzle, Kysely). Pure. An error without a SQLSTATE is a lost connection, unless it is a
 * programmer's mistake (TypeError and the like) or has been through here before.
 */
export function sqlFailure(error: unknown): Error {
  if (isMekongError(error) || isSqlError(error)) return error
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) return error
  const refusal = refusalIn(error)
  if (refusal === undefined || unavailable(refusal.code)) return storeUnavailable(error)
  if (busy.has(refusal.code)) {
    return new MekongError('BUSY', `Postgres: ${plainMessage(refusal)} (SQLSTATE ${refusal.code})`, { retryable: true })
  }
  return sqlError(refusal)
}

/**
 * Says that the database is out of reach, with the code that the client gave, and nothing else of its error. Retryable also
 * where it turned the login down: credentials may be rotated, and what waits for the database must not be lost to that.
 */
export function storeUnavailable(error: unknown): MekongError {
  const code = refusalIn(error)?.code ?? (error instanceof Error ? (error as { code?: unknown }).code : undefined)
  const why = typeof code === 'string' ? ` (${code})` : ''
  const what =
    typeof code === 'string' && isLoginRefused(code) ? refusedLogin : 'is out of reach, or ended the connection'
  return new MekongError('STORE_UNAVAILABLE', `Postgres ${what}${why}`, { retryable: true })
}

const refusedLogin = 'refused the login: correct user, password or database'

/** Invalid authorization, no such database. */
const isLoginRefused = (code: string): boolean => /^28|^3D000$/.test(code)

/** True for a SqlError of any copy of this package. */
export function isSqlError(error: unknown): error is SqlError {
  return error instanceof Error && error.name === 'SqlError' && 'code' in error
}

/** A SqlError of our own making. */
export function refused(code: string, message: string): SqlError {
  return sqlError({ code, message })
}

/** True for an error of any client that passes on what Postgres answered. */
export function hasSqlState(error: unknown): boolean {
  return refusalIn(error) !== undefined
}

interface Refusal {
  readonly code: string
  readonly message: string
  readonly [field: string]: unknown
}

/** Lock not available, serialization failure, deadlock: the same transaction may pass when it comes again. */
const busy = new Set(['55P03', '40001', '40P01'])

/** Connection exception, insufficient resources, operator intervention other than a cancelled query, system error. */
const unavailable = (code: string): boolean => /^(08|53|58|57P)/.test(code) || code === '25P03'

function refusalIn(error: unknown): Refusal | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]+$/.test(code))
      return at as unknown as Refusal
  }
  return undefined
}

function sqlError(refusal: Refusal): SqlError {
  const error = new Error(plainMessage(refusal))
  error.name = 'SqlError'
  const named = (field: string): string | undefined => {
    const value = refusal[field]
    return typeof value === 'string' ? value : undefined
  }
  return Object.assign(error, {
    name: 'SqlError' as const,
    code: refusal.code,
    schema: named('schema') ?? named('schema_name'),
    table: named('table') ?? named('table_name'),
    column: named('column') ?? named('column_name'),
    constraint: named('constraint') ?? named('constraint_name'),
  })
}

/** The primary message where Postgres puts names and numbers into it; a data exception (class 22) quotes the value itself. */
function plainMessage(refusal: Refusal): string {
  return /^(2[35]|4[02]|5[457])/.test(refusal.code)
    ? refusal.message
    : `Postgres refused a statement (SQLSTATE ${refusal.code})`
}
