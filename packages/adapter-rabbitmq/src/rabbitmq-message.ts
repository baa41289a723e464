import type { Message, MessageProperties, Options } from 'amqplib'
import type { HeaderView, Outgoing } from '@mekong/core/driver'
import { levelsOf } from './delay/delay-levels.ts'

/** Headers of this adapter; applications never see them. */
const own = 'mekong-amqp-'
/** Which levels of the ladder of delays a message stops at. */
const levelPrefix = `${own}level-`
const keyHeader = `${own}key`
/** When it was sent, in milliseconds: a stream finds a time by whole chunks only. */
const sentAtHeader = `${own}sent-at`
/** How often a message was delivered before it was sent on as a copy. */
const deliveredHeader = `${own}delivered`
/** Tells one message that was sent past the bus from another. */
export const copyHeader: string = `${own}copy`
/** Ends a generation of queues. */
const endHeader = `${own}end`
/** In front of an application's header whose name RabbitMQ takes for its own. */
const escapePrefix = `${own}app-`

const brokerHeader =
  /^x-(death$|first-death-|last-death-|delivery-count$|acquired-count$|stream-|opt-|received-from$|delay$)/
/** The AMQP binding of CloudEvents writes the first, readers take both. */
const cloudEventsPrefix = 'cloudEvents:'
const otherCloudEventsPrefix = 'cloudEvents_'

type Table = Record<string, unknown>

/** Names repeat in every message: each is translated once. */
const writtenNames = new Map<string, string>()
const maxKnownNames = 1000

/** Properties and headers of a message: CloudEvents AMQP binding, binary mode. */
export function propertiesOf(outgoing: Outgoing, sentAt: number | undefined): Options.Publish {
  const { headers } = outgoing
  const table: Table = {}
  let contentType: string | undefined
  for (const name in headers) {
    if (name === 'content-type') contentType = headers[name]
    else table[writtenNames.get(name) ?? writtenName(name)] = headers[name]
  }
  if (outgoing.key !== undefined && headers['ce-partitionkey'] !== outgoing.key) table[keyHeader] = outgoing.key
  if (sentAt !== undefined) table[sentAtHeader] = sentAt
  if (outgoing.delayMs > 0) addLevels(table, outgoing.delayMs)
  return {
    persistent: true,
    mandatory: true,
    headers: table,
    ...(contentType !== undefined && shortString(contentType) && { contentType }),
    ...(headers['ce-id'] !== undefined && shortString(headers['ce-id']) && { messageId: headers['ce-id'] }),
  }
}

/** The same message once more, to come back after a delay. It has been delivered so often. */
export function copyOf(message: Message, delayMs: number, deliveries: number): Options.Publish {
  const table: Table = {}
  for (const [name, value] of Object.entries<unknown>(message.properties.headers ?? {})) {
    // What the broker wrote would make it believe in a cycle; and a copy goes to a queue itself, where it could end it.
    if (!brokerHeader.test(name) && !name.startsWith(levelPrefix) && name !== endHeader) table[name] = value
  }
  table[deliveredHeader] = deliveries
  addLevels(table, delayMs)
  const { contentType, contentEncoding, correlationId, replyTo, messageId, timestamp, type, appId, priority } =
    message.properties as Record<keyof MessageProperties, never>
  const kept = { contentType, contentEncoding, correlationId, replyTo, messageId, timestamp, type, appId, priority }
  return { persistent: true, mandatory: true, headers: table, ...kept }
}

/** Put behind everything that an old generation's queue has. */
export function endOfGeneration(): Options.Publish {
  return { persistent: true, mandatory: true, headers: { [endHeader]: true } }
}

/** Only what was sent to the queue itself: a publisher cannot end a generation. */
export function isEndOfGeneration({ fields, properties }: Message): boolean {
  return fields.exchange === '' && properties.headers?.[endHeader] === true
}

export function levelHeader(level: number): string {
  return `${levelPrefix}${level}`
}

function addLevels(table: Table, delayMs: number): void {
  for (const level of levelsOf(delayMs)) table[levelHeader(level)] = '1'
}

function writtenName(name: string): string {
  const written = name.startsWith('ce-')
    ? cloudEventsPrefix + name.slice(3)
    : brokerHeader.test(name) || name.startsWith(own)
      ? escapePrefix + name
      : name
  if (writtenNames.size < maxKnownNames) writtenNames.set(name, written)
  return written
}

/** AMQP keeps these in 255 bytes. */
function shortString(text: string): boolean {
  return text.length <= 63 || Buffer.byteLength(text) <= 255
}

/** What arrived, as the bus reads it. Nothing is translated before it is asked for. */
export class AmqpHeaders implements HeaderView {
  readonly #properties: MessageProperties
  readonly #table: Readonly<Table>
  #byName: Map<string, string> | undefined

  constructor(properties: MessageProperties) {
    this.#properties = properties
    this.#table = properties.headers ?? {}
  }

  get(name: string): string | undefined {
    return this.#read().get(name)
  }

  entries(): Iterable<readonly [name: string, value: string]> {
    return this.#read()
  }

  get key(): string | undefined {
    return textOf(this.#table[keyHeader]) ?? this.get('ce-partitionkey')
  }

  /** Earlier deliveries, as far as the broker and this adapter counted them. */
  get earlierDeliveries(): number {
    return numberOf(this.#table[deliveredHeader]) + numberOf(this.#table['x-delivery-count'])
  }

  /** Milliseconds since the epoch; from the publisher's clock, in whole seconds where somebody else sent it. */
  get sentAt(): number | undefined {
    const sentAt = this.#table[sentAtHeader]
    if (typeof sentAt === 'number') return sentAt
    const { timestamp } = this.#properties
    return typeof timestamp === 'number' ? timestamp * 1000 : undefined
  }

  get streamOffset(): number | undefined {
    const offset = this.#table['x-stream-offset']
    return typeof offset === 'number' ? offset : undefined
  }

  #read(): Map<string, string> {
    if (this.#byName !== undefined) return this.#byName
    const byName = new Map<string, string>()
    const contentType = textOf(this.#properties.contentType)
    if (contentType !== undefined) byName.set('content-type', contentType)
    for (const written in this.#table) {
      const name = readNames.get(written) ?? readName(written)
      const value = name === '' ? undefined : textOf(this.#table[written])
      if (value !== undefined) byName.set(name, value)
    }
    this.#byName = byName
    return byName
  }
}

const readNames = new Map<string, string>()

/** Empty for what is not the application's. */
function readName(written: string): string {
  const name = translated(written)
  if (readNames.size < maxKnownNames) readNames.set(written, name)
  return name
}

function translated(written: string): string {
  for (const prefix of [cloudEventsPrefix, otherCloudEventsPrefix]) {
    if (written.startsWith(prefix)) return `ce-${written.slice(prefix.length).toLowerCase()}`
  }
  if (written.startsWith(escapePrefix)) return written.slice(escapePrefix.length)
  return written.startsWith(own) || brokerHeader.test(written) ? '' : written.toLowerCase()
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      return isTimestamp(value) ? new Date(value.value * 1000).toISOString() : undefined
  }
}

function isTimestamp(value: unknown): value is { readonly value: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    '!' in value &&
    value['!'] === 'timestamp' &&
    'value' in value &&
    typeof value.value === 'number'
  )
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}
