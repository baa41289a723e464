import { MekongError } from '../error.ts'

/** Nesting beyond this is refused on both sides: code that walks the data would overflow its stack. */
export const maxJsonDepth = 500

const decoder = new TextDecoder('utf-8', { fatal: true })
// What a polluting key looks like in the text, as it stands or behind an escape of one of its characters.
const suspicious = /__proto__|constructor|\\u00/

/**
 * Parses JSON that came from elsewhere.
 * @throws MekongError UNDECODABLE when it is malformed, nested too deeply, or has `__proto__` or `constructor.prototype` as keys
 */
export function parseJson(bytes: Uint8Array): unknown {
  return parseJsonText(decodeText(bytes))
}

/** @throws MekongError UNDECODABLE when the bytes are not UTF-8 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw undecodable('the text is not UTF-8')
  }
}

/** As `parseJson`, for text. */
export function parseJsonText(text: string): unknown {
  checkDepth(text)
  const value = parse(text)
  if (suspicious.test(text)) checkKeys(value)
  return value
}

/** Whether this side would refuse the text it is about to send. @throws MekongError UNDECODABLE */
export function checkJsonText(text: string): void {
  checkDepth(text)
  if (suspicious.test(text)) checkKeys(parse(text))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's message quotes the text.
    throw undecodable('malformed JSON')
  }
}

function checkDepth(text: string): void {
  // Every level takes at least two characters, so that most texts need no scan.
  if (text.length <= 2 * maxJsonDepth || !hasManyBrackets(text)) return
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === backslash) index++
      else if (code === quote) inString = false
    } else if (code === quote) inString = true
    else if (code === openBracket || code === openBrace) {
      if (++depth > maxJsonDepth) throw undecodable(`JSON nested deeper than ${maxJsonDepth}`)
    } else if (code === closeBracket || code === closeBrace) depth--
  }
}

/** Whether there are enough to nest too deeply, in strings or not: finding them is cheaper than reading what is between. */
function hasManyBrackets(text: string): boolean {
  let count = 0
  for (const bracket of '[{') {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > maxJsonDepth) return true
    }
  }
  return false
}

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/** Merging such data into an object of the application would change every object of the process. */
function checkKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) throw undecodable('JSON with the key __proto__')
  const constructor: unknown = Object.getOwnPropertyDescriptor(value, 'constructor')?.value
  if (typeof constructor === 'object' && constructor !== null && Object.hasOwn(constructor, 'prototype')) {
    throw undecodable('JSON with the key constructor.prototype')
  }
  for (const inner of Object.values(value)) checkKeys(inner)
}

/** Never quotes what could not be read. */
export function undecodable(reason: string): MekongError {
  return new MekongError('UNDECODABLE', reason)
}
