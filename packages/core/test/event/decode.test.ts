import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineContract } from '../../src/define-contract.ts'
import { readAttributes, readData, readIdentity, readLimits, type Decodable } from '../../src/event/decode.ts'
import { createEventFactory } from '../../src/event/event-factory.ts'
import { headerView } from '../../src/event/headers.ts'
import { toStructured } from '../../src/event/structured.ts'
import { virtualClock } from '../virtual-clock.ts'

const clock = virtualClock(Date.UTC(2026, 10, 20, 12))
const factory = createEventFactory({ source: 'shop', clock })

interface Parts {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  readonly key?: string
  readonly messageId?: string
}

function message({ headers = {}, body = '{}', key, messageId }: Parts): Decodable {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return { headers: headerView(headers), body: bytes, key, messageId, partition: { topic: 'orders' } }
}

const cloudEvent = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': 'shop', 'ce-type': 'order.created' }
const structured = (envelope: object | string): Decodable =>
  message({
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: typeof envelope === 'string' ? envelope : JSON.stringify(envelope),
  })
const envelope = { specversion: '1.0', id: '1', source: 'shop', type: 'order.created' }

/** The code of the error, or what was read. */
const read = (incoming: Decodable): unknown => {
  try {
    return readAttributes(incoming)
  } catch (error) {
    return (error as { code: string }).code
  }
}
const dataOf = async (incoming: Decodable): Promise<unknown> => readData(undefined, readAttributes(incoming), incoming)

const printable = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter(text => !/[\p{Cc}\p{Cs}]/u.test(text))
const publishing = fc.record({
  data: fc.oneof(
    // A key __proto__ is refused when it is published: that has a test of its own.
    fc
      .json({ noUnicodeString: false })
      .filter(text => !text.includes('__proto__') && !text.includes('constructor'))
      .map(text => JSON.parse(text) as unknown),
    fc.uint8Array({ maxLength: 300 }),
  ),
  options: fc.record(
    {
      key: printable,
      id: printable,
      correlationId: printable,
      causationId: printable,
      schemaVersion: fc.integer({ min: 1, max: 99 }),
      headers: fc.dictionary(fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/), printable, { maxKeys: 5 }),
    },
    { requiredKeys: [] },
  ),
})

/** JSON does not know -0, and more like it. */
const asSent = (data: unknown): unknown => (data instanceof Uint8Array ? data : JSON.parse(JSON.stringify(data)))
const isReserved = (name: string): boolean => /^(ce-|mekong-|content-type$)/.test(name)

describe.each(['binary', 'structured'] as const)('an event that travels in %s mode', mode => {
  it('arrives as it was published', async () => {
    await fc.assert(
      fc.asyncProperty(publishing, async ({ data, options }) => {
        fc.pre(!Object.keys(options.headers ?? {}).some(isReserved))
        const event = await factory.prepare('order.created', data, options)
        const { contentType, body } = toStructured(event)
        const incoming =
          mode === 'binary'
            ? message({ headers: event.headers, body: event.body })
            : message({ headers: { 'content-type': contentType }, body })

        const attributes = readAttributes(incoming)
        expect({ ...attributes, headers: { ...attributes.headers } }).toEqual({
          id: event.id,
          source: 'shop',
          type: 'order.created',
          time: '2026-11-20T12:00:00.000Z',
          key: options.key,
          schemaVersion: options.schemaVersion ?? 1,
          correlationId: options.correlationId ?? event.id,
          causationId: options.causationId,
          contentType: data instanceof Uint8Array ? 'application/octet-stream' : 'application/json',
          headers: options.headers ?? {},
        })
        const read = await readData(undefined, attributes, incoming)
        expect(read instanceof Uint8Array ? new Uint8Array(read) : read).toEqual(asSent(data))
      }),
    )
  })
})

describe('attributes', () => {
  it('of another publisher keep what has no field of its own among the headers', () => {
    const binary = message({
      headers: { ...cloudEvent, 'ce-subject': 's', traceparent: '00', 'content-type': 'text/plain' },
    })
    expect(readAttributes(binary)).toMatchObject({
      contentType: 'text/plain',
      headers: { 'ce-subject': 's', traceparent: '00' },
    })
    const json = structured({ ...envelope, subject: 's', dataschema: 'd', sequence: 5, urgent: true, missing: null })
    expect({ ...readAttributes(json).headers }).toEqual({
      'ce-subject': 's',
      'ce-dataschema': 'd',
      'ce-sequence': '5',
      'ce-urgent': 'true',
    })
  })

  it('default to what CloudEvents says, and take the key of the broker', () => {
    expect(readAttributes(message({ headers: cloudEvent, key: 'k' }))).toEqual({
      id: '1',
      source: 'shop',
      type: 'order.created',
      time: undefined,
      key: 'k',
      schemaVersion: 1,
      correlationId: '1',
      causationId: undefined,
      contentType: 'application/json',
      headers: {},
    })
    expect(readAttributes(message({ headers: { ...cloudEvent, 'ce-partitionkey': 'own' }, key: 'k' })).key).toBe('own')
    expect(readAttributes(message({ headers: cloudEvent, key: '' })).key).toBeUndefined()
  })

  it('leave out a time that is none', () => {
    const at = (time: string): unknown => readAttributes(message({ headers: { ...cloudEvent, 'ce-time': time } })).time
    expect(at('2026-11-20T12:00:00+01:00')).toBe('2026-11-20T12:00:00+01:00')
    expect(at('1795000000')).toBeUndefined()
  })

  it('of a message without CloudEvents are its topic and the message id of the broker', () => {
    expect(readAttributes(message({ body: '5', key: 'k', messageId: '0:42' }))).toMatchObject({
      id: '0:42',
      source: '',
      type: 'orders',
      key: 'k',
      contentType: 'application/json',
    })
  })

  it.each([
    ['no id', { ...cloudEvent, 'ce-id': '' }],
    ['no source', { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': 't' }],
    ['no type', { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': 's' }],
    ['no specversion', { 'ce-id': '1', 'ce-source': 's', 'ce-type': 't' }],
    ['another specversion', { ...cloudEvent, 'ce-specversion': '0.3' }],
    ['a schemaversion that is no number', { ...cloudEvent, 'ce-schemaversion': '1e3' }],
    ['a schemaversion of zero', { ...cloudEvent, 'ce-schemaversion': '0' }],
  ])('with %s are UNDECODABLE', (_, headers) => {
    expect(read(message({ headers }))).toBe('UNDECODABLE')
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no id', JSON.stringify({ ...envelope, id: undefined })],
    ['an attribute that is an object', JSON.stringify({ ...envelope, subject: {} })],
    ['headers that are no JSON', JSON.stringify({ ...envelope, mekongheaders: '{' })],
    ['headers that are no strings', JSON.stringify({ ...envelope, mekongheaders: '{"a":1}' })],
    ['base64 that is none', JSON.stringify({ ...envelope, data_base64: 'ä' })],
    ['a polluting key', '{"specversion":"1.0","id":"1","source":"s","type":"t","__proto__":{"data":1}}'],
    ['an empty body', ''],
  ])('of a structured event with %s are UNDECODABLE', (_, body) => {
    expect(read(structured(body))).toBe('UNDECODABLE')
  })

  it('stop at sizes that no event of ours has, before anything is parsed', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`h${n}`, 'v']))
    expect(read(message({ headers: { ...cloudEvent, ...many } }))).toBe('UNDECODABLE')
    expect(read(message({ headers: { ...cloudEvent, h: 'x'.repeat(readLimits.headerCharacters) } }))).toBe(
      'UNDECODABLE',
    )
    expect(read(message({ headers: cloudEvent, body: new Uint8Array(readLimits.bodyBytes + 1) }))).toBe('UNDECODABLE')
  })

  it('hold hostile header names like any other', () => {
    const hostile = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as Record<string, string>
    const { headers } = readAttributes(message({ headers: { ...cloudEvent, ...hostile, ['__proto__']: 'x' } }))
    expect(Object.keys(headers).toSorted()).toEqual(['__proto__', 'constructor', 'tostring'])
    expect(headers['hasOwnProperty']).toBeUndefined()
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('never fail otherwise than as UNDECODABLE', () => {
    const names = fc.constantFrom(
      ...Object.keys(cloudEvent),
      'ce-time',
      'ce-schemaversion',
      'content-type',
      '__proto__',
      'x',
    )
    const values = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1.0', 'application/cloudevents+json', '1'))
    fc.assert(
      fc.property(
        fc.dictionary(names, values),
        fc.oneof(
          fc.uint8Array(),
          fc.json().map(text => Buffer.from(text)),
        ),
        (headers, body) => {
          const result = read(message({ headers, body }))
          expect(typeof result === 'object' || result === 'UNDECODABLE').toBe(true)
        },
      ),
    )
  })
})

describe('identity', () => {
  const identity = (parts: Parts): string | undefined => readIdentity(readAttributes(message(parts)))

  it('is source and id', () => {
    expect(identity({ headers: cloudEvent })).toBe('shop 1')
  })

  it('does not mistake one source for another', () => {
    const left = identity({ headers: { ...cloudEvent, 'ce-source': 'a b', 'ce-id': 'c' } })
    const right = identity({ headers: { ...cloudEvent, 'ce-source': 'a', 'ce-id': 'b c' } })
    expect(left).not.toBe(right)
  })

  it('is the message id where there is no CloudEvent, and nothing where there is neither', () => {
    expect(identity({ messageId: '3:17' })).toBe('at 3:17')
    expect(identity({})).toBeUndefined()
  })
})

describe('data', () => {
  const contract = defineContract({
    'order.created': {
      schema: z.object({ orderId: z.string(), total: z.coerce.number(), currency: z.string() }),
      version: 3,
      upcast: {
        1: data => ({ ...(data as object), total: '0' }),
        2: data => ({ ...(data as object), currency: 'EUR' }),
      },
    },
  })
  const readAs = async (version: number, body: unknown): Promise<unknown> => {
    const incoming = message({
      headers: { ...cloudEvent, 'ce-schemaversion': String(version) },
      body: JSON.stringify(body),
    })
    return readData(contract['order.created'], readAttributes(incoming), incoming)
  }

  it('is upcast step by step and given as the output of the schema', async () => {
    const whole = { orderId: 'o', total: 0, currency: 'EUR' }
    expect(await readAs(1, { orderId: 'o' })).toEqual(whole)
    expect(await readAs(2, { orderId: 'o', total: '0' })).toEqual(whole)
    expect(await readAs(3, { orderId: 'o', total: '0', currency: 'EUR' })).toEqual(whole)
  })

  it('of a newer version is INVALID_DATA and says so', async () => {
    await expect(readAs(4, {})).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('newer'),
    })
  })

  it('that does not fit is INVALID_DATA, without its values', async () => {
    await expect(readAs(3, { orderId: 5, total: 'secret', currency: 'EUR' })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.not.stringContaining('secret'),
    })
  })

  it('that cannot be upcast is INVALID_DATA', async () => {
    const broken = defineContract({
      a: {
        schema: z.any(),
        version: 3,
        upcast: {
          2: () => {
            throw new Error('no')
          },
        },
      },
    })
    for (const version of ['1', '2']) {
      const incoming = message({ headers: { ...cloudEvent, 'ce-schemaversion': version } })
      const reading = (async () => readData(broken.a, readAttributes(incoming), incoming))()
      await expect(reading).rejects.toMatchObject({ code: 'INVALID_DATA' })
    }
  })

  it.each([
    ['application/json; charset=utf-8', '"ä"', 'ä'],
    ['application/vnd.shop+json', '[1]', [1]],
    ['APPLICATION/JSON', 'null', null],
    ['application/json', '', undefined],
    ['text/plain', 'ä', 'ä'],
    ['application/octet-stream', '\u0001', new Uint8Array([1])],
    ['image/png', '', new Uint8Array()],
  ])('of content type %s is decoded by it', async (contentType, body, expected) => {
    const data = await dataOf(message({ headers: { ...cloudEvent, 'content-type': contentType }, body }))
    expect(data instanceof Uint8Array ? new Uint8Array(data) : data).toEqual(expected)
  })

  it('of a structured event may be JSON, base64 or missing', async () => {
    expect(await dataOf(structured({ ...envelope, data: { a: 1 } }))).toEqual({ a: 1 })
    expect(await dataOf(structured({ ...envelope, data: null }))).toBeNull()
    expect(await dataOf(structured({ ...envelope, data_base64: Buffer.from('{"a":1}').toString('base64') }))).toEqual({
      a: 1,
    })
    expect(await dataOf(structured(envelope))).toBeUndefined()
    const text = toStructured({ headers: { ...cloudEvent, 'content-type': 'text/plain' }, body: Buffer.from('"ä"') })
    expect(await dataOf(message({ headers: { 'content-type': text.contentType }, body: text.body }))).toBe('"ä"')
  })

  it.each([
    ['broken JSON', '{"a":'],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['__proto__', '{"a":[{"__proto__":{"admin":true}}]}'],
    ['__proto__ behind an escape', '{"\\u005f_proto__":{"admin":true}}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}'],
    ['constructor.prototype behind escapes', '{"\\u0063onstructor":{"\\u0070rototype":{}}}'],
    ['nesting of 100,000', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['nesting of 100,000 that never ends', '{"a":'.repeat(100_000)],
    ['nesting of 501', '['.repeat(501) + ']'.repeat(501)],
  ])('with %s is UNDECODABLE', async (_, body) => {
    const incoming = message({ headers: cloudEvent, body })
    await expect(dataOf(incoming)).rejects.toMatchObject({ code: 'UNDECODABLE' })
  })

  it.each([
    ['the words in a text', '{"a":"__proto__ and constructor.prototype"}'],
    ['a constructor that is a word', '{"constructor":"Ferrari"}'],
    ['brackets in texts', JSON.stringify({ a: '[{'.repeat(1000), b: '\\"[['.repeat(1000) })],
    ['nesting of 500', '['.repeat(500) + ']'.repeat(500)],
    ['many shallow lists', `[${Array.from({ length: 2000 }, () => '[]').join(',')}]`],
  ])('with %s is fine', async (_, body) => {
    expect(await dataOf(message({ headers: cloudEvent, body }))).toEqual(JSON.parse(body))
  })

  it('never appears in an error', async () => {
    const incoming = message({ headers: cloudEvent, body: 'hunter2' })
    const error = await dataOf(incoming).catch((thrown: unknown) => thrown as Error)
    expect(error).toMatchObject({ code: 'UNDECODABLE', message: 'malformed JSON' })
    expect((error as Error).cause).toBeUndefined()
  })
})
