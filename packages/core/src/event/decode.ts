import type { Contract } from '../contract.ts'
import type { Incoming } from '../driver/driver-contract.ts'
import { checkData } from './check-data.ts'
import { bodyForm, jsonContentType, mediaType, structuredContentType } from './content-type.ts'
import type { EventAttributes } from './event.ts'
import { decodeText, parseJson, undecodable } from './json.ts'
import { parseStructured } from './structured.ts'

/** What decoding looks at. */
export type Decodable = Pick<Incoming, 'headers' | 'body' | 'key' | 'messageId'> & {
  readonly partition: { readonly topic: string }
}

/** Checked before anything is parsed. */
export const readLimits = { bodyBytes: 67_108_864, headers: 256, headerCharacters: 65_536 } as const

/** Attributes with a field of their own; any other stays among the headers as `ce-<name>`. */
const knownAttributes: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'datacontenttype',
  'partitionkey',
  'schemaversion',
  'correlationid',
  'causationid',
])

const noHeaders: Readonly<Record<string, string>> = Object.freeze({})

/**
 * Reads the envelope: CloudEvents 1.0 in binary mode (`ce-…` headers) or structured mode (`application/cloudevents+json`).
 * A message of others without CloudEvents gets its topic for a type, an empty source, and the broker's message id, or an
 * empty id. A time that is no timestamp is left out.
 * @throws MekongError UNDECODABLE with the reason
 */
export function readAttributes(message: Decodable): EventAttributes {
  if (message.body.byteLength > readLimits.bodyBytes)
    throw undecodable(`a body of more than ${readLimits.bodyBytes} bytes`)
  const contentType = message.headers.get('content-type')
  const headers = readHeaders(message)
  if (contentType !== undefined && mediaType(contentType) === structuredContentType) {
    const content = parseStructured(message.body)
    for (const [name, value] of content.attributes) if (!knownAttributes.has(name)) headers.set(`ce-${name}`, value)
    for (const [name, value] of content.headers) headers.set(name, value)
    const dataContentType = content.attributes.get('datacontenttype') ?? jsonContentType
    return cloudEvent(message, name => content.attributes.get(name), { contentType: dataContentType, headers })
  }
  const rest = { contentType: contentType ?? jsonContentType, headers }
  if (message.headers.get('ce-specversion') === undefined && message.headers.get('ce-id') === undefined) {
    return foreignEvent(message, rest)
  }
  return cloudEvent(message, name => message.headers.get(`ce-${name}`), rest)
}

/**
 * The event part of its identity: source and id; for a message of others its message id, which is unique on its topic; or
 * undefined, and then nobody can tell a duplicate of it.
 */
export function readIdentity(attributes: EventAttributes): string | undefined {
  const { source, id } = attributes
  // A URI reference has no blanks; where one has, the first blank must still end the source.
  if (source !== '') return `${source.replaceAll(' ', '%20')} ${id}`
  return id === '' ? undefined : `at ${id}`
}

/**
 * Decodes the body by its content type, brings it up to the contract's version, validates it. Gives the schema's output, or
 * without a definition what was decoded: JSON, a string for `text/…`, a Uint8Array for everything else. Each call decodes
 * anew, so that handlers share nothing.
 * @throws MekongError UNDECODABLE, INVALID_DATA
 */
export async function readData(
  definition: Contract[string] | undefined,
  attributes: EventAttributes,
  message: Decodable,
): Promise<unknown> {
  const data = decodeBody(attributes, message)
  if (definition === undefined) return data
  return checkData(attributes.type, definition, { data, version: attributes.schemaVersion })
}

interface Rest {
  readonly contentType: string
  readonly headers: ReadonlyMap<string, string>
}

function cloudEvent(message: Decodable, get: (name: string) => string | undefined, rest: Rest): EventAttributes {
  const required = (name: string): string => {
    const value = get(name)
    if (value === undefined || value === '') throw undecodable(`a CloudEvent without ${name}`)
    return value
  }
  if (required('specversion') !== '1.0') throw undecodable('a CloudEvent of a specversion other than 1.0')
  const id = required('id')
  return {
    id,
    source: required('source'),
    type: required('type'),
    time: timestamp(get('time')),
    key: get('partitionkey') || message.key || undefined,
    schemaVersion: schemaVersion(get('schemaversion')),
    correlationId: get('correlationid') || id,
    causationId: get('causationid') || undefined,
    contentType: rest.contentType,
    headers: plain(rest.headers),
  }
}

function foreignEvent(message: Decodable, rest: Rest): EventAttributes {
  const id = message.messageId ?? ''
  return {
    id,
    source: '',
    type: message.partition.topic,
    time: undefined,
    key: message.key || undefined,
    schemaVersion: 1,
    correlationId: id,
    causationId: undefined,
    contentType: rest.contentType,
    headers: plain(rest.headers),
  }
}

/** Everything that has no field of its own. */
function readHeaders(message: Decodable): Map<string, string> {
  const headers = new Map<string, string>()
  let count = 0
  let characters = 0
  for (const [name, value] of message.headers.entries()) {
    characters += name.length + value.length
    if (++count > readLimits.headers) throw undecodable(`more than ${readLimits.headers} headers`)
    if (characters > readLimits.headerCharacters)
      throw undecodable(`headers of more than ${readLimits.headerCharacters} characters`)
    const isKnown = name === 'content-type' || (name.startsWith('ce-') && knownAttributes.has(name.slice(3)))
    if (!isKnown) headers.set(name, value)
  }
  return headers
}

/** Without a prototype: names come from elsewhere, and `__proto__` is one. */
function plain(headers: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  if (headers.size === 0) return noHeaders
  const record: Record<string, string> = Object.create(null)
  for (const [name, value] of headers) record[name] = value
  return record
}

const timestampPattern = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/

function timestamp(text: string | undefined): string | undefined {
  return text !== undefined && timestampPattern.test(text) ? text : undefined
}

function schemaVersion(text: string | undefined): number {
  if (text === undefined) return 1
  if (!/^[1-9]\d{0,8}$/.test(text)) throw undecodable('a schemaversion that is no positive integer')
  return Number(text)
}

function decodeBody(attributes: EventAttributes, message: Decodable): unknown {
  const contentType = message.headers.get('content-type')
  if (contentType === undefined || mediaType(contentType) !== structuredContentType) {
    return decodeBytes(attributes.contentType, message.body)
  }
  const { data } = parseStructured(message.body)
  if (data === undefined) return decodeBytes(attributes.contentType, new Uint8Array())
  return 'bytes' in data ? decodeBytes(attributes.contentType, data.bytes) : data.value
}

function decodeBytes(contentType: string, bytes: Uint8Array): unknown {
  const form = bodyForm(contentType)
  if (form === 'bytes') return bytes
  if (form === 'text') return decodeText(bytes)
  // A CloudEvent may come without data; whether that is right is for the schema to say.
  return bytes.byteLength === 0 ? undefined : parseJson(bytes)
}
