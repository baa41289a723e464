import type { HeaderView } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'

/** Bounds of what an application may put into headers, so that a dead letter with its own headers still fits. */
export const headerLimits = { count: 64, nameLength: 128, characters: 8192 } as const

/** Names that belong to the bus. */
const reservedPrefixes = ['ce-', 'mekong-']
const headerName = /^[a-z0-9][a-z0-9._-]*$/
// Brokers differ in what they take; none takes all of these: control characters, lone surrogates, noncharacters.
const illegalText = /[\p{Cc}\p{Cs}\uFFFE\uFFFF]/u

const none: Readonly<Record<string, string>> = Object.freeze({})

/** Whether every broker can carry this text in a header or as a key. */
export function isLegalText(text: string): boolean {
  return !illegalText.test(text)
}

/** A view of plain headers; names become lower case. */
export function headerView(headers: Readonly<Record<string, string>>): HeaderView {
  const byName = new Map<string, string>()
  for (const [name, value] of Object.entries(headers)) byName.set(name.toLowerCase(), value)
  return { get: name => byName.get(name), entries: () => byName }
}

/**
 * The application's headers with lower-case names.
 * @throws MekongError INVALID_EVENT for reserved names, illegal characters and too many or too long ones
 */
export function applicationHeaders(
  headers: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (headers === undefined) return none
  const given = Object.entries(headers)
  if (given.length > headerLimits.count)
    throw refused(`${given.length} headers, at most ${headerLimits.count} are allowed`)
  const checked: Record<string, string> = {}
  let characters = 0
  for (const [givenName, value] of given) {
    const name = givenName.toLowerCase()
    checkHeader(name, value)
    if (Object.hasOwn(checked, name)) throw refused(`header ${name} is there twice, in different cases`)
    characters += name.length + value.length
    checked[name] = value
  }
  if (characters > headerLimits.characters) {
    throw refused(`headers of ${characters} characters, at most ${headerLimits.characters} are allowed`)
  }
  return checked
}

function checkHeader(name: string, value: unknown): asserts value is string {
  if (name.length > headerLimits.nameLength || !headerName.test(name)) {
    throw refused(
      `header name ${JSON.stringify(name.slice(0, 40))}: letters, digits, and . _ - after the first character, ` +
        `at most ${headerLimits.nameLength}`,
    )
  }
  if (name === 'content-type' || reservedPrefixes.some(prefix => name.startsWith(prefix))) {
    throw refused(`header ${name} is reserved`)
  }
  if (typeof value !== 'string') throw refused(`header ${name} is not a string`)
  if (!isLegalText(value)) throw refused(`header ${name} holds a control character or half a surrogate pair`)
}

function refused(why: string): MekongError {
  return new MekongError('INVALID_EVENT', why)
}
