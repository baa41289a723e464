import type { Outgoing } from '../driver/driver-contract.ts'
import { bodyForm, jsonContentType, structuredContentType } from './content-type.ts'
import { decodeText, parseJson, parseJsonText, undecodable } from './json.ts'

/** Extension that carries the application's headers as a JSON object: their names are no CloudEvents attribute names. */
const headersExtension = 'mekongheaders'
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/

/** An event as one JSON object (CloudEvents JSON format 1.0), for brokers without room for headers. */
export interface StructuredEvent {
  readonly contentType: typeof structuredContentType
  readonly body: Uint8Array
}

/**
 * Puts attributes, headers and data into one body. A JSON body is taken in as it stands, byte by byte, so it must be JSON
 * when its content type says so; bytes go as base64 and grow by a third.
 */
export function toStructured(outgoing: Pick<Outgoing, 'headers' | 'body'>): StructuredEvent {
  const attributes: Record<string, string> = {}
  const application: Record<string, string> = {}
  let contentType: string = jsonContentType
  for (const [name, value] of Object.entries(outgoing.headers)) {
    if (name === 'content-type') contentType = value
    else if (name.startsWith('ce-')) attributes[name.slice(3)] = value
    else application[name] = value
  }
  attributes.datacontenttype = contentType
  if (Object.keys(application).length > 0) attributes[headersExtension] = JSON.stringify(application)
  const envelope = JSON.stringify(attributes).slice(0, -1)
  const { body } = outgoing
  if (body.byteLength === 0) return structured(`${envelope}}`)
  const form = bodyForm(contentType)
  if (form === 'json') return structured(`${envelope},"data":`, body, '}')
  if (form === 'text') return structured(`${envelope},"data":${JSON.stringify(decodeText(body))}}`)
  return structured(`${envelope},"data_base64":"${base64(body)}"}`)
}

function structured(...parts: readonly (string | Uint8Array)[]): StructuredEvent {
  const body = Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part)))
  return { contentType: structuredContentType, body }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** What a structured body says. */
export interface StructuredContent {
  /** Attributes by their CloudEvents names, `datacontenttype` and extensions included. */
  readonly attributes: ReadonlyMap<string, string>
  readonly headers: ReadonlyMap<string, string>
  /** Parsed already, or bytes that are still to be read by their content type; undefined: no data. */
  readonly data: { readonly value: unknown } | { readonly bytes: Uint8Array } | undefined
}

/** @throws MekongError UNDECODABLE when it is no structured event */
export function parseStructured(body: Uint8Array): StructuredContent {
  const envelope = parseJson(body)
  if (!isRecord(envelope)) throw undecodable('a structured event that is no JSON object')
  const attributes = new Map<string, string>()
  for (const [name, value] of Object.entries(envelope)) {
    if (name === 'data' || name === 'data_base64' || name === headersExtension || value === null) continue
    attributes.set(name, attributeText(value))
  }
  return { attributes, headers: parseHeaders(envelope[headersExtension]), data: dataOf(envelope) }
}

/** Extension attributes may be strings, integers and booleans. */
function attributeText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw undecodable('a structured event with an attribute that is an object')
}

function parseHeaders(text: unknown): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  if (text === undefined) return headers
  const parsed = typeof text === 'string' ? parseJsonText(text) : undefined
  if (!isRecord(parsed)) throw undecodable(`${headersExtension} is not a JSON object in a string`)
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== 'string') throw undecodable(`${headersExtension} holds something other than strings`)
    headers.set(name.toLowerCase(), value)
  }
  return headers
}

function dataOf(envelope: Readonly<Record<string, unknown>>): StructuredContent['data'] {
  const encoded = envelope.data_base64
  if (encoded === undefined) return Object.hasOwn(envelope, 'data') ? { value: envelope.data } : undefined
  if (typeof encoded !== 'string' || !base64Text.test(encoded)) throw undecodable('data_base64 that is no base64')
  return { bytes: new Uint8Array(Buffer.from(encoded, 'base64')) }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
