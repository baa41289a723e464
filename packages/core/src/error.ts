/** Every error code of Mekong. Closed: docs/errors.md has the cause and the remedy of each. */
export const errorCodes = [
  'INVALID_CONFIGURATION',
  'ADAPTER_MISSING',
  'CAPABILITY_MISSING',
  'TOPOLOGY_DIFFERS',
  'INVALID_STATE',
  'UNKNOWN_EVENT_TYPE',
  'INVALID_EVENT',
  'INVALID_DATA',
  'EVENT_TOO_LARGE',
  'PUBLISH_REFUSED',
  'PUBLISH_NOT_SENT',
  'PUBLISH_UNKNOWN',
  'BUFFER_FULL',
  'BUS_CLOSED',
  'BROKER_UNAVAILABLE',
  'UNDECODABLE',
  'HANDLER_FAILED',
  'HANDLER_TIMEOUT',
  'HANDLER_ABORTED',
  'HANDLER_NEVER_ENDED',
  'BUSY',
  'FENCED',
  'STORE_UNAVAILABLE',
  'HELD_NOT_FOUND',
  'MIGRATION_FAILED',
  'SAGA_INVALID',
  'SAGA_STATE_CONFLICT',
] as const

export type ErrorCode = (typeof errorCodes)[number]

export interface MekongErrorOptions {
  readonly cause?: unknown
  /** Whether the same call may succeed later without anybody changing anything. @default false */
  readonly retryable?: boolean
}

const brand = Symbol.for('mekong.error')

/**
 * The one error class. Look at `code`, never at the message. A message says what failed, where and why; it never holds a
 * payload, a password or a URL with credentials.
 */
export class MekongError extends Error {
  override readonly name = 'MekongError'
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: MekongErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    Object.defineProperty(this, brand, { value: true })
  }
}

/** True for a MekongError of any copy of this package. */
export function isMekongError(error: unknown): error is MekongError {
  return typeof error === 'object' && error !== null && brand in error
}

/** The message of whatever was thrown, on one line and at most 1,000 characters. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\s+/g, ' ').slice(0, 1000)
}
