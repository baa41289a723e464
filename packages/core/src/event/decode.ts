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

/** What the attributes with a field of their own are called; any other stays among the headers as `ce-<name>`. */
const namesBehind = (prefix: string) =>
  ({
    specversion: `${prefix}specversion`,
    id: `${prefix}id`,
    source: `${prefix}source`,
    type: `${prefix}type`,
    time: `${prefix}time`,
    datacontenttype: `${prefix}datacontenttype`,
    partitionkey: `${prefix}partitionkey`,
    schemaversion: `${prefix}schemaversion`,
    correlationid: `${prefix}correlationid`,
    causationid: `${prefix}causationid`,
  }) as const

type Names = ReturnType<typeof namesBehind>

// Made once: putting names together for each message costs more than looking them up.
const structuredNames = namesBehind('')
const binaryNames = namesBehind('ce-')
const knownAttributes: ReadonlySet<string> = new Set(Object.values(structuredNames))
const knownHeaders: ReadonlySet<string> = new Set(['content-type', ...Object.values(binaryNames)])

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
    const { attributes, headers: own } = parseStructured(message.body)
    const all = Object.assign(record(), headers)
    for (const [name, value] of attributes) if (!knownAttributes.has(name)) all[`ce-${name}`] = value
    for (const [name, value] of own) all[name] = value
    const rest = { contentType: attributes.get('datacontenttype') ?? jsonContentType, headers: all }
    return cloudEvent(message, { attributes, names: structuredNames, ...rest })
  }
  const rest = { contentType: contentType ?? jsonContentType, headers }
  if (message.headers.get(binaryNames.specversion) === undefined && message.headers.get(binaryNames.id) === undefined) {
    return foreignEvent(message, rest)
  }
  return cloudEvent(message, { attributes: message.headers, names: binaryNames, ...rest })
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
 * anew, so that handlers share nothing. A promise only where the schema is asynchronous.
 * @throws MekongError UNDECODABLE, INVALID_DATA; the latter also by rejection
 */
export function readData(
  definition: Contract[string] | undefined,
  attributes: EventAttributes,
  message: Decodable,
): unknown {
  const data = decodeBody(attributes, message)
  if (definition === undefined) return data
  return checkData(attributes.type, definition, { data, version: attributes.schemaVersion })
}

interface Rest {
  readonly contentType: string
  readonly headers: EventAttributes['headers']
}

interface Source extends Rest {
  readonly attributes: { get(name: string): string | undefined }
  readonly names: Names
}

function cloudEvent(message: Decodable, { attributes, names, contentType, headers }: Source): EventAttributes {
  if (required(attributes.get(names.specversion), 'specversion') !== '1.0')
    throw undecodable('a CloudEvent of a specversion other than 1.0')
  const id = required(attributes.get(names.id), 'id')
  return {
    id,
    source: required(attributes.get(names.source), 'source'),
    type: required(attributes.get(names.type), 'type'),
    time: timestamp(attributes.get(names.time)),
    key: attributes.get(names.partitionkey) || message.key || undefined,
    schemaVersion: schemaVersion(attributes.get(names.schemaversion)),
    correlationId: attributes.get(names.correlationid) || id,
    causationId: attributes.get(names.causationid) || undefined,
    contentType,
    headers,
  }
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw undecodable(`a CloudEvent without ${name}`)
  return value
}

function foreignEvent(message: Decodable, { contentType, headers }: Rest): EventAttributes {
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
    contentType,
    headers,
  }
}

/** Everything that has no field of its own. */
function readHeaders(message: Decodable): EventAttributes['headers'] {
  let headers: Record<string, string> | undefined
  let count = 0
  let characters = 0
  const read = (value: string, name: string): void => {
    characters += name.length + value.length
    if (++count > readLimits.headers) throw undecodable(`more than ${readLimits.headers} headers`)
    if (characters > readLimits.headerCharacters)
      throw undecodable(`headers of more than ${readLimits.headerCharacters} characters`)
    if (!knownHeaders.has(name)) (headers ??= record())[name] = value
  }
  const entries = message.headers.entries()
  // A map's own loop makes no pair for each entry.
  if (entries instanceof Map) entries.forEach(read)
  else for (const [name, value] of entries) read(value, name)
  return headers ?? noHeaders
}

/** Without a prototype: names come from elsewhere, and `__proto__` is one. */
function record(): Record<string, string> {
  return Object.create(null) as Record<string, string>
}

const timestampPattern = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/

function timestamp(text: string | undefined): string | undefined {
  return text !== undefined && timestampPattern.test(text) ? text : undefined
}

function schemaVersion(text: string | undefined): number {
  if (text === undefined || text === '1') return 1
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
