import type { Clock } from '../clock.ts'
import type { Contract, EventDefinition } from '../contract.ts'
import { isMekongError, MekongError } from '../error.ts'
import type { Cause } from '../handler.ts'
import type { PublishOptions } from '../publish-options.ts'
import { checkData } from './check-data.ts'
import { binaryContentType, jsonContentType } from './content-type.ts'
import { createUuid, hashedId } from './event-id.ts'
import type { PreparedEvent } from './event.ts'
import { applicationHeaders, isLegalText } from './headers.ts'
import { createTurns } from './in-turn.ts'
import { checkJsonText } from './json.ts'
import { eventTypeRule, isEventType, isTopicName, nearNames, topicRule } from './names.ts'

export interface EventFactoryOptions {
  /** Without one, any type and any data goes. */
  readonly contract?: Contract | undefined
  /** CloudEvents `source`: the name of the service. */
  readonly source: string
  readonly clock: Clock
  /** Makes event ids. @default UUIDs of version 7 */
  readonly uuid?: (() => string) | undefined
}

/** Turns what an application publishes into what travels: validated, with its envelope, encoded. */
export interface EventFactory {
  /**
   * Calls of one topic resolve in the order of the calls, also where schemas are asynchronous. Data is checked against the
   * schema and sent as it was given. A Uint8Array is copied and sent as it is; anything else as JSON.
   * @throws MekongError UNKNOWN_EVENT_TYPE, INVALID_DATA, INVALID_EVENT (key, id, headers or versions that are not allowed)
   */
  prepare(type: string, data: unknown, options?: PublishOptions, cause?: Cause): Promise<PreparedEvent>
  /** The same; a promise only where the schema is asynchronous, or one ahead of it is, and what is refused is thrown. */
  prepareNow(
    type: string,
    data: unknown,
    options?: PublishOptions,
    cause?: Cause,
  ): PreparedEvent | Promise<PreparedEvent>
}

/** Characters of an id, a key, a correlation id. */
const maxAttributeLength = 256

/** @throws MekongError INVALID_CONFIGURATION for an empty or illegal source */
export function createEventFactory(options: EventFactoryOptions): EventFactory {
  const { contract, source, clock, uuid = createUuid(clock) } = options
  if (source === '' || source.length > maxAttributeLength || !isLegalText(source)) {
    throw new MekongError('INVALID_CONFIGURATION', `source must be 1 to ${maxAttributeLength} printable characters`)
  }
  const timestamp = createTimestamps(clock)
  const inTurn = createTurns()

  const idOf = (
    type: string,
    key: string | undefined,
    { id, idempotencyKey }: PublishOptions,
    cause?: Cause,
  ): string => {
    if (id !== undefined) return attribute('id', id)
    if (idempotencyKey !== undefined) return hashedId(source, type, attribute('idempotencyKey', idempotencyKey))
    return cause?.nextId(type, key) ?? uuid()
  }

  const prepareNow: EventFactory['prepareNow'] = (type, data, options = {}, cause) => {
    const definition = definitionOf(type, contract)
    const topic = definition?.topic ?? type
    const version = versionOf(type, options.schemaVersion, definition)
    const checked = definition === undefined ? data : checkData(type, definition, { data, version })
    const body = encode(type, data)

    const put = (output: unknown): PreparedEvent => {
      const key = keyOf(type, options.key, definition, output)
      const id = idOf(type, key, options, cause)
      const correlationId = optionalAttribute('correlationId', options.correlationId) ?? cause?.correlationId ?? id
      const causationId = optionalAttribute('causationId', options.causationId) ?? cause?.causationId
      const headers: Record<string, string> = {
        'ce-specversion': '1.0',
        'ce-id': id,
        'ce-source': source,
        'ce-type': type,
        'ce-time': timestamp(),
        'ce-schemaversion': String(version),
        'ce-correlationid': correlationId,
        'content-type': body.contentType,
      }
      if (key !== undefined) headers['ce-partitionkey'] = key
      if (causationId !== undefined) headers['ce-causationid'] = causationId
      if (options.headers !== undefined) Object.assign(headers, applicationHeaders(options.headers))
      return { id, type, topic, key, headers, body: body.bytes }
    }
    const output = inTurn(topic, checked)
    return output instanceof Promise ? output.then(put) : put(output)
  }

  return {
    prepareNow,
    prepare: async (type, data, options, cause) => prepareNow(type, data, options, cause),
  }
}

function definitionOf(type: string, contract: Contract | undefined): EventDefinition | undefined {
  if (contract === undefined) {
    if (isEventType(type) && isTopicName(type)) return undefined
    throw invalid(
      `${JSON.stringify(type.slice(0, 80))} is no event type: ${isEventType(type) ? topicRule : eventTypeRule}`,
    )
  }
  if (Object.hasOwn(contract, type)) return contract[type]
  const near = nearNames(type, Object.keys(contract))
  const hint =
    near.length === 0 ? `it has ${Object.keys(contract).length} event types` : `did you mean ${near.join(' or ')}?`
  throw new MekongError(
    'UNKNOWN_EVENT_TYPE',
    `the contract has no event type ${JSON.stringify(type.slice(0, 80))}; ${hint}`,
  )
}

function versionOf(type: string, wished: number | undefined, definition: EventDefinition | undefined): number {
  if (wished === undefined) return definition?.version ?? 1
  if (Number.isInteger(wished) && wished > 0) return wished
  throw invalid(`schemaVersion of ${type} must be a positive integer`)
}

function keyOf(
  type: string,
  given: string | undefined,
  definition: EventDefinition | undefined,
  output: unknown,
): string | undefined {
  if (given !== undefined) return attribute('key', given)
  const rule = definition?.key
  if (rule === undefined) return undefined
  if (rule === 'required') throw invalid(`${type} is published with options.key: its contract says key: 'required'`)
  let key: string
  try {
    key = rule(output)
  } catch (error) {
    throw invalid(`the key function of ${type} threw`, error)
  }
  return attribute(`key of ${type}`, key)
}

function optionalAttribute(name: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : attribute(name, value)
}

function attribute(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(`${name} must be a string`)
  if (value === '') throw invalid(`${name} must not be empty`)
  if (value.length > maxAttributeLength) throw invalid(`${name} has more than ${maxAttributeLength} characters`)
  if (!isLegalText(value)) throw invalid(`${name} holds a control character or half a surrogate pair`)
  return value
}

function encode(type: string, data: unknown): { readonly bytes: Uint8Array; readonly contentType: string } {
  if (data instanceof Uint8Array) return { bytes: new Uint8Array(data), contentType: binaryContentType }
  return { bytes: Buffer.from(jsonText(type, data)), contentType: jsonContentType }
}

function jsonText(type: string, data: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(data)
    if (text !== undefined) checkJsonText(text)
  } catch (error) {
    const why = isMekongError(error) ? `: ${error.message}` : ' (a BigInt, a cycle, or its toJSON threw)'
    throw new MekongError('INVALID_DATA', `data of ${type} cannot travel as JSON${why}`, { cause: error })
  }
  if (text === undefined)
    throw new MekongError('INVALID_DATA', `data of ${type} is ${typeof data}, which JSON cannot say`)
  return text
}

/** RFC 3339 in UTC; formatting costs more than an id, so once for each millisecond. */
function createTimestamps(clock: Clock): () => string {
  let formattedAt: number | undefined
  let text = ''
  return () => {
    const now = clock.now()
    if (now !== formattedAt) {
      text = new Date(now).toISOString()
      formattedAt = now
    }
    return text
  }
}

function invalid(message: string, cause?: unknown): MekongError {
  return new MekongError('INVALID_EVENT', message, { cause })
}
