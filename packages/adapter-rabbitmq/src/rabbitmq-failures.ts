import type { FailureClass } from '@mekong/core/driver'

/** What the driver itself found out, with what it means to the bus. */
export class RabbitMqError extends Error {
  override readonly name = 'RabbitMqError'
  readonly failure: FailureClass

  constructor(failure: FailureClass, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.failure = failure
  }
}

/** Reply codes of AMQP 0.9.1; what is not here passes. */
const replyCodes: ReadonlyMap<unknown, FailureClass> = new Map<unknown, FailureClass>([
  [311, 'too-large'], // content-too-large
  [312, 'refused'], // no-route
  [402, 'refused'], // invalid-path
  [403, 'refused'], // access-refused
  [404, 'refused'], // not-found
  [405, 'transient'], // resource-locked
  [406, 'refused'], // precondition-failed
  [501, 'illegal'], // frame-error
  [502, 'illegal'], // syntax-error
  [503, 'illegal'], // command-invalid
  [506, 'throttled'], // resource-error
  [530, 'refused'], // not-allowed: no such virtual host, or a limit of it
  [540, 'illegal'], // not-implemented
])

const tlsCodes = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH)/

/** What an error of amqplib, of the broker or of this driver means. Pure. */
export function classify(error: unknown): FailureClass {
  if (error instanceof RabbitMqError) return error.failure
  if (typeof error !== 'object' || error === null) return 'transient'
  const code = 'code' in error ? error.code : undefined
  const known = replyCodes.get(code)
  if (known !== undefined) return known
  if (typeof code === 'string' && tlsCodes.test(code)) return 'refused'
  return error instanceof Error && isRefusedHandshake(error) ? 'refused' : 'transient'
}

/** The broker says no to a virtual host by closing the connection; amqplib does not repeat why. */
export function isRefusedVirtualHost(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Expected ConnectionOpenOk; got <ConnectionClose')
}

/** amqplib tells of these with a text only. */
function isRefusedHandshake({ message }: Error): boolean {
  return /handshake terminated by server: (403|530)\b|SASL mechanism .* is not provided/i.test(message)
}

export function isNotFound(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 404
}

export function isLocked(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 405
}

export function isPreconditionFailed(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 406
}

/** amqplib throws it at whoever writes to a channel that has ended, or is about to. */
export function isClosedChannel(error: unknown): boolean {
  return error instanceof Error && error.name === 'IllegalOperationError'
}

/** What is there differs from what was declared in one argument, or in its type. */
export interface Inequivalence {
  readonly argument: string
  readonly wished: string
  readonly found: string
}

/** Reads `inequivalent arg 'x-delivery-limit' for queue …: received '200' but current is '100'`. */
export function inequivalenceOf(error: unknown): Inequivalence | undefined {
  if (!isPreconditionFailed(error)) return undefined
  const message = error instanceof Error ? error.message : ''
  const [, argument, received, current] =
    /inequivalent arg '([^']+)'.*received (.+?) but current is (.+?)"?$/.exec(message) ?? []
  if (argument === undefined) return undefined
  return { argument, wished: unquoted(received), found: unquoted(current) }
}

function unquoted(text: string | undefined): string {
  return text?.replace(/^'|'$/g, '').replace(/^the value '|' of type '.*$/g, '') ?? ''
}
