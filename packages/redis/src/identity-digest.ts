import * as crypto from 'node:crypto'

// One call without an object for each text, from Node 20.12 on: a third of the time.
const sha256: (text: string) => string =
  typeof crypto.hash === 'function'
    ? text => crypto.hash('sha256', text, 'binary')
    : text => crypto.createHash('sha256').update(text).digest('binary')

/** Two bits of a byte each. */
const quarters: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(4).padStart(4, '0'))

/** Where the record of an identity is, and what it is called there. Strings of bytes, one character each. */
export interface IdentityDigest {
  /** 16 bytes. That two identities share them does not happen in practice, also when somebody tries to. */
  readonly field: string
  /** 12 digits to the base of 4; a slice of depth n uses the first n. */
  readonly page: string
  /** 0 to 65,535. */
  readonly bucket: number
}

export function identityDigest(scope: string, event: string): IdentityDigest {
  const bytes = sha256(textOf(scope, event))
  return {
    field: bytes.slice(0, 16),
    page: quarter(bytes, 16) + quarter(bytes, 17) + quarter(bytes, 18),
    bucket: bytes.charCodeAt(19) * 256 + bytes.charCodeAt(20),
  }
}

/** 8 bytes: an owner is told from the few others that ask for the same event. */
export function tokenDigest(token: string): string {
  return sha256(token).slice(0, 8)
}

const loneSurrogate = /\p{Surrogate}/u

/** The length keeps scope and event apart. UTF-8 has one replacement for all lone surrogates, so they are escaped. */
function textOf(scope: string, event: string): string {
  const text = `${scope.length}:${scope}${event}`
  return loneSurrogate.test(text) ? JSON.stringify(text) : text
}

function quarter(bytes: string, at: number): string {
  return quarters[bytes.charCodeAt(at)] ?? ''
}
