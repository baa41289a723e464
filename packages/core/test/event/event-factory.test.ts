import { createHash } from 'node:crypto'
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineContract } from '../../src/define-contract.ts'
import { createCause } from '../../src/event/cause.ts'
import { createEventFactory, type EventFactory } from '../../src/event/event-factory.ts'
import { createUuid, hashedId } from '../../src/event/event-id.ts'
import type { StandardSchema } from '../../src/standard-schema.ts'
import { virtualClock } from '../virtual-clock.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const clock = virtualClock(Date.UTC(2026, 10, 20, 12))
const text = (body: Uint8Array): string => Buffer.from(body).toString()

/** A schema that answers when the test says so. */
function slowSchema(): { schema: StandardSchema<{ id: string }>; answer: (() => void)[] } {
  const answer: (() => void)[] = []
  const validate = (value: unknown): Promise<{ value: { id: string } }> =>
    new Promise(resolve => answer.push(() => resolve({ value: value as { id: string } })))
  return { schema: { '~standard': { version: 1, vendor: 'test', validate } }, answer }
}

const contract = defineContract({
  'order.created': {
    topic: 'orders',
    key: event => event.orderId,
    schema: z.object({ orderId: z.string().trim(), total: z.coerce.number() }),
    version: 3,
    upcast: { 2: data => ({ ...(data as object), total: 0 }) },
  },
  'stock.counted': { schema: v.object({ units: v.number() }), key: 'required' },
  'secret.told': { schema: v.object({ secret: v.pipe(v.string(), v.maxLength(3, 'too long')) }) },
  'bytes.came': { schema: z.instanceof(Uint8Array) },
  'number.came': { schema: z.any(), key: data => data.key },
})

const factory = createEventFactory({ contract, source: 'shop', clock })
const untyped = createEventFactory({ source: 'shop', clock })

describe('an event', () => {
  it('has CloudEvents attributes, and the data as it was given', async () => {
    const event = await factory.prepare(
      'order.created',
      { orderId: ' o1 ', total: '5' },
      { headers: { 'X-Tenant': 'acme' } },
    )
    expect(event).toMatchObject({ type: 'order.created', topic: 'orders', key: 'o1' })
    expect(event.id).toMatch(uuid)
    expect(event.headers).toEqual({
      'ce-specversion': '1.0',
      'ce-id': event.id,
      'ce-source': 'shop',
      'ce-type': 'order.created',
      'ce-time': '2026-11-20T12:00:00.000Z',
      'ce-schemaversion': '3',
      'ce-correlationid': event.id,
      'ce-partitionkey': 'o1',
      'content-type': 'application/json',
      'x-tenant': 'acme',
    })
    expect(text(event.body)).toBe('{"orderId":" o1 ","total":"5"}')
  })

  it('needs no contract', async () => {
    const event = await untyped.prepare('anything', [1, null], { key: 'k', correlationId: 'c', causationId: 'd' })
    expect(event).toMatchObject({ topic: 'anything', key: 'k' })
    expect(event.headers).toMatchObject({ 'ce-correlationid': 'c', 'ce-causationid': 'd', 'ce-schemaversion': '1' })
    expect(text(event.body)).toBe('[1,null]')
  })

  it('carries bytes as they are, and as they were when it was published', async () => {
    const bytes = new Uint8Array([0, 255, 7])
    const event = await factory.prepare('bytes.came', bytes)
    bytes.fill(1)
    expect(event.headers['content-type']).toBe('application/octet-stream')
    expect([...event.body]).toEqual([0, 255, 7])
    expect((await untyped.prepare('empty', new Uint8Array())).body.byteLength).toBe(0)
  })

  it('has a time that follows the clock', async () => {
    const moving = virtualClock(0)
    const events = createEventFactory({ source: 'shop', clock: moving })
    const before = await events.prepare('a', 1)
    moving.jump(1)
    const after = await events.prepare('a', 1)
    expect([before, after].map(event => event.headers['ce-time'])).toEqual([
      '1970-01-01T00:00:00.000Z',
      '1970-01-01T00:00:00.001Z',
    ])
  })

  it('may be of an older schema version, which is upcast to be checked and sent as it is', async () => {
    const event = await factory.prepare('order.created', { orderId: 'o1' }, { schemaVersion: 2 })
    expect(event.headers['ce-schemaversion']).toBe('2')
    expect(text(event.body)).toBe('{"orderId":"o1"}')
    await expect(factory.prepare('order.created', {}, { schemaVersion: 1 })).rejects.toMatchObject({
      code: 'INVALID_DATA',
    })
    await expect(factory.prepare('order.created', {}, { schemaVersion: 4 })).rejects.toMatchObject({
      code: 'INVALID_DATA',
    })
    await expect(factory.prepare('order.created', {}, { schemaVersion: 0 })).rejects.toMatchObject({
      code: 'INVALID_EVENT',
    })
  })
})

describe('the id of an event', () => {
  it('is the one given, else made from the idempotency key, else from the cause', async () => {
    const cause = createCause({ id: 'c1', correlationId: 'r1' }, { scope: 's', event: 'e' })
    expect((await untyped.prepare('a', 1, { id: 'mine', idempotencyKey: 'k' }, cause)).id).toBe('mine')
    const first = await untyped.prepare('a', 1, { idempotencyKey: 'k' }, cause)
    const second = await untyped.prepare('a', 2, { idempotencyKey: 'k' })
    expect(first.id).toMatch(uuid)
    expect(second.id).toBe(first.id)
    expect((await untyped.prepare('b', 1, { idempotencyKey: 'k' })).id).not.toBe(first.id)
    const elsewhere = createEventFactory({ source: 'other', clock })
    expect((await elsewhere.prepare('a', 1, { idempotencyKey: 'k' })).id).not.toBe(first.id)
    const caused = await untyped.prepare('a', 1, {}, cause)
    expect(caused.id).toBe(
      createCause({ id: 'c1', correlationId: 'r1' }, { scope: 's', event: 'e' }).nextId('a', undefined),
    )
    expect(caused.headers).toMatchObject({ 'ce-correlationid': 'r1', 'ce-causationid': 'c1' })
  })

  it('is a UUID of version 7 that holds the time and never repeats', () => {
    const next = createUuid(clock)
    const ids = Array.from({ length: 5000 }, () => next())
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(uuid)
    const time = Number.parseInt(ids[0]!.replaceAll('-', '').slice(0, 12), 16)
    expect(time).toBe(clock.now())
  })

  it('takes all random bits from its source', () => {
    const ones = createUuid({ ...clock, now: () => 0 }, bytes => void bytes.fill(0xff))
    const zeros = createUuid({ ...clock, now: () => 2 ** 48 - 1 }, bytes => void bytes.fill(0))
    expect(ones()).toBe('00000000-0000-7fff-bfff-ffffffffffff')
    expect(zeros()).toBe('ffffffff-ffff-7000-8000-000000000000')
  })

  it('is a SHA-256 in the shape of a UUID where it is made from something', () => {
    const digest = createHash('sha256').update('["shop","a",null,3]').digest('hex')
    const id = hashedId('shop', 'a', undefined, 3).replaceAll('-', '')
    expect(id.slice(0, 12)).toBe(digest.slice(0, 12))
    expect(id.slice(17)).toBe(digest.slice(17, 32))
    expect(hashedId('a', 'bc')).not.toBe(hashedId('ab', 'c'))
    expect(hashedId('a', undefined)).not.toBe(hashedId('a', 'null'))
  })
})

describe('a cause', () => {
  const identity = { scope: 'inventory/reserve', event: 'shop e1' }
  const attempt = (): ReturnType<typeof createCause> => createCause({ id: 'e1', correlationId: 'r1' }, identity)

  it('gives the nth event of a type and key the same id in every attempt, whatever else is published', () => {
    const first = attempt()
    const second = attempt()
    const ids = [first.nextId('a', 'k'), first.nextId('a', 'k'), first.nextId('a', undefined), first.nextId('b', 'k')]
    second.nextId('c', 'k')
    expect([
      second.nextId('b', 'k'),
      second.nextId('a', undefined),
      second.nextId('a', 'k'),
      second.nextId('a', 'k'),
    ]).toEqual([ids[3], ids[2], ids[0], ids[1]])
    expect(new Set(ids).size).toBe(4)
    for (const id of ids) expect(id).toMatch(uuid)
  })

  it('gives other ids to other subscriptions and other events', () => {
    const other = createCause({ id: 'e1', correlationId: 'r1' }, { ...identity, scope: 'inventory/count' })
    expect(other.nextId('a', 'k')).not.toBe(attempt().nextId('a', 'k'))
  })

  it('does not swap ids when events are checked at different speeds', async () => {
    const run = async (answerFirst: number): Promise<string[]> => {
      const { schema, answer } = slowSchema()
      const events = createEventFactory({ contract: { a: { schema } }, source: 'shop', clock })
      const cause = attempt()
      const both = [events.prepare('a', { id: '1' }, {}, cause), events.prepare('a', { id: '2' }, {}, cause)]
      answer[answerFirst]!()
      await clock.settle()
      answer[1 - answerFirst]!()
      return (await Promise.all(both)).map(event => event.id)
    }
    expect(await run(1)).toEqual(await run(0))
  })
})

describe('calls', () => {
  it('resolve in their order per topic, also where a schema takes its time', async () => {
    const { schema, answer } = slowSchema()
    const events = createEventFactory({
      contract: { slow: { schema, topic: 't' }, fast: { schema: z.any(), topic: 't' }, other: { schema: z.any() } },
      source: 'shop',
      clock,
    })
    const done: string[] = []
    const prepare = (type: string, name: string): void => {
      events.prepare(type, { id: name }).then(
        () => done.push(name),
        () => done.push(`${name} failed`),
      )
    }
    for (const [type, name] of [
      ['slow', '1'],
      ['fast', '2'],
      ['slow', '3'],
      ['other', 'o'],
      ['fast', '4'],
    ] as const) {
      prepare(type, name)
    }
    answer[1]!()
    await clock.settle()
    expect(done).toEqual(['o'])
    answer[0]!()
    await clock.settle()
    expect(done).toEqual(['o', '1', '2', '3', '4'])
  })

  it('go on after one whose asynchronous check failed', async () => {
    const schema: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async value => (value === 'bad' ? { issues: [{ message: 'no' }] } : { value }),
      },
    }
    const events = createEventFactory({ contract: { a: { schema } }, source: 'shop', clock })
    const results = await Promise.allSettled(['ok', 'bad', 'ok', 'bad'].map(data => events.prepare('a', data)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
  })
})

describe('refusals', () => {
  const code = async (events: EventFactory, ...publish: Parameters<EventFactory['prepare']>): Promise<string> =>
    events.prepare(...publish).then(
      () => 'prepared',
      (error: { code: string }) => error.code,
    )

  it('name near event types', async () => {
    await expect(factory.prepare('order.craeted', {})).rejects.toMatchObject({
      code: 'UNKNOWN_EVENT_TYPE',
      message: expect.stringContaining('did you mean order.created?'),
    })
    expect(await code(factory, 'constructor', {})).toBe('UNKNOWN_EVENT_TYPE')
    expect(await code(untyped, 'an event', {})).toBe('INVALID_EVENT')
  })

  it('name wrong fields and never show a value', async () => {
    const error = await factory.prepare('secret.told', { secret: 'hunter2' }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'INVALID_DATA', message: 'data of secret.told: secret: too long' })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  it('come for what JSON cannot say', async () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const polluted: unknown = JSON.parse('{"a":{"__proto__":{"admin":true}}}')
    for (const data of [undefined, () => {}, Symbol('s'), 5n, { n: 5n }, cycle, polluted]) {
      expect(await code(untyped, 'a', data)).toBe('INVALID_DATA')
    }
    expect(await code(untyped, 'a', JSON.parse(`${'['.repeat(501)}${']'.repeat(501)}`))).toBe('INVALID_DATA')
    expect(await code(untyped, 'a', 'a text about __proto__ and constructor.prototype')).toBe('prepared')
  })

  it('come for a schema that throws', async () => {
    const validate = (): never => {
      throw new Error('broken')
    }
    const schema: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate } }
    const events = createEventFactory({ contract: { a: { schema } }, source: 'shop', clock })
    expect(await code(events, 'a', {})).toBe('INVALID_DATA')
  })

  it('come for keys that are missing, empty, too long, no string, or illegal', async () => {
    expect(await code(factory, 'stock.counted', { units: 1 })).toBe('INVALID_EVENT')
    expect(await code(factory, 'stock.counted', { units: 1 }, { key: 'w' })).toBe('prepared')
    expect(await code(factory, 'order.created', { orderId: '', total: 1 })).toBe('INVALID_EVENT')
    expect(await code(factory, 'number.came', { key: 5 })).toBe('INVALID_EVENT')
    expect(await code(factory, 'number.came', null)).toBe('INVALID_EVENT')
    for (const key of ['', 'x'.repeat(257), 'a\0b', 'line\nbreak', '\uD800']) {
      expect(await code(untyped, 'a', 1, { key })).toBe('INVALID_EVENT')
    }
    expect(await code(untyped, 'a', 1, { key: 'Żółć 🦆' })).toBe('prepared')
  })

  it('come for headers that are reserved, illegal, or too many', async () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, 'v']))
    const illegal: Record<string, string>[] = [
      { 'ce-id': 'x' },
      { 'CE-Anything': 'x' },
      { 'Content-Type': 'x' },
      { 'mekong-dead': 'x' },
      { '': 'x' },
      { 'with blank': 'x' },
      { _: 'x' },
      { h: 'line\r\nbreak' },
      { h: '\uDC00' },
      { h: 5 as unknown as string },
      { a: 'x', A: 'y' },
      { long: 'x'.repeat(9000) },
      many,
    ]
    for (const headers of illegal) expect(await code(untyped, 'a', 1, { headers })).toBe('INVALID_EVENT')
    expect(() => createEventFactory({ source: '', clock })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION' }),
    )
  })

  it('are errors of ours, whatever is published', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything({ maxDepth: 1, maxKeys: 3 }), fc.string({ unit: 'binary' }), async (data, name) => {
        const outcome = await code(untyped, 'a', data, { key: name, headers: { [name]: name } })
        expect(['prepared', 'INVALID_DATA', 'INVALID_EVENT']).toContain(outcome)
      }),
    )
  })
})
