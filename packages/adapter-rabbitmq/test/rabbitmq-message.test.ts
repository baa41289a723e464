import type { ConsumeMessage, MessageProperties, Options } from 'amqplib'
import type { Outgoing } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { AmqpHeaders, copyOf, endOfGeneration, isEndOfGeneration, propertiesOf } from '../src/rabbitmq-message.ts'

function outgoing(more: Partial<Outgoing> = {}): Outgoing {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': 'e1',
    'ce-source': 'shop',
    'ce-type': 'order.created',
    'content-type': 'application/json',
    tenant: 'acme',
  }
  return { topic: 'orders', key: undefined, headers, body: new Uint8Array(), delayMs: 0, until: 'stored', ...more }
}

/** As if it had been to the broker. */
function arrived(sent: Options.Publish, fields: Partial<ConsumeMessage['fields']> = {}): ConsumeMessage {
  const { headers, contentType, messageId } = sent
  return {
    content: Buffer.alloc(0),
    fields: {
      deliveryTag: 1,
      redelivered: false,
      exchange: 'orders',
      routingKey: 'orders.1',
      consumerTag: 'c',
      ...fields,
    },
    properties: { headers, contentType, messageId } as MessageProperties,
  }
}

const received = (sent: Options.Publish): AmqpHeaders => new AmqpHeaders(arrived(sent).properties)

describe('messages', () => {
  it('writes CloudEvents as the AMQP binding says, and reads back what was written', () => {
    const sent = propertiesOf(outgoing(), undefined)
    expect(sent).toMatchObject({ persistent: true, mandatory: true, contentType: 'application/json', messageId: 'e1' })
    expect(sent.headers).toMatchObject({ 'cloudEvents:id': 'e1', 'cloudEvents:type': 'order.created', tenant: 'acme' })
    expect(Object.fromEntries(received(sent).entries())).toEqual(outgoing().headers)
  })

  it('reads attributes with an underscore as well, which other clients write', () => {
    const headers = received({
      headers: { cloudEvents_id: 'e2', cloudEvents_time: { '!': 'timestamp', value: 1_700_000_000 } },
    })
    expect(headers.get('ce-id')).toBe('e2')
    expect(headers.get('ce-time')).toBe('2023-11-14T22:13:20.000Z')
  })

  it('reads structured events by their content type', () => {
    const headers = received({ contentType: 'application/cloudevents+json', headers: {} })
    expect(headers.get('content-type')).toBe('application/cloudevents+json')
  })

  it('carries the key, by itself where the event does not', () => {
    const withKey = propertiesOf(outgoing({ key: 'a' }), undefined)
    expect(received(withKey).key).toBe('a')
    expect(received(withKey).get('ce-partitionkey')).toBeUndefined()
    const headers = { ...outgoing().headers, 'ce-partitionkey': 'a' }
    const same = propertiesOf(outgoing({ key: 'a', headers }), undefined)
    expect(Object.keys(same.headers as object)).toHaveLength(6)
    expect(received(same).key).toBe('a')
  })

  it("carries an application's headers that RabbitMQ takes for its own", () => {
    const own = { 'x-death': 'mine', 'x-delivery-count': '7', 'mekong-amqp-end': 'yes', 'x-request-id': 'r' }
    const sent = propertiesOf(outgoing({ headers: own }), undefined)
    for (const name of ['x-death', 'x-delivery-count', 'mekong-amqp-end']) expect(sent.headers).not.toHaveProperty(name)
    expect(Object.fromEntries(received(sent).entries())).toEqual(own)
  })

  it('hides what the broker and the driver wrote', () => {
    const sent = propertiesOf(outgoing({ key: 'a', delayMs: 1000 }), 1_700_000_000_123)
    const headers = {
      ...(sent.headers as object),
      'x-death': [{ count: 1 }],
      'x-delivery-count': 3,
      'x-stream-offset': 9,
    }
    const read = received({ ...sent, headers })
    expect(Object.fromEntries(read.entries())).toEqual(outgoing().headers)
    expect(read.earlierDeliveries).toBe(3)
    expect(read.streamOffset).toBe(9)
    expect(read.sentAt).toBe(1_700_000_000_123)
  })

  it('reads messages of others: numbers, booleans, names in any case, and no headers at all', () => {
    const headers = received({
      headers: { 'X-Tenant': 'acme', attempt: 3, urgent: true, nested: { a: 1 }, none: null },
    })
    expect(Object.fromEntries(headers.entries())).toEqual({ 'x-tenant': 'acme', attempt: '3', urgent: 'true' })
    expect([...new AmqpHeaders({} as MessageProperties).entries()]).toEqual([])
  })

  it('finds no header that nobody sent, whatever its name', () => {
    const headers = received({ headers: {} })
    for (const name of ['constructor', '__proto__', 'toString']) expect(headers.get(name)).toBeUndefined()
  })

  it('copies a message with its properties, without what would look like a cycle', () => {
    const sent = propertiesOf(outgoing({ key: 'a', delayMs: 32 }), undefined)
    const message = arrived({ ...sent, headers: { ...(sent.headers as object), 'x-death': [], 'x-delivery-count': 2 } })
    const copy = copyOf(message, 16, 4)
    expect(copy).toMatchObject({ persistent: true, mandatory: true, messageId: 'e1', contentType: 'application/json' })
    expect(copy.headers).not.toHaveProperty('x-death')
    expect(copy.headers).toMatchObject({ 'mekong-amqp-level-0': '1', 'mekong-amqp-delivered': 4 })
    expect(copy.headers).not.toHaveProperty('mekong-amqp-level-1')
    expect(received(copy).earlierDeliveries).toBe(4)
    expect(received(copy).key).toBe('a')
  })

  it('takes for the end of a generation only what was sent to the queue itself', () => {
    const end = endOfGeneration()
    expect(isEndOfGeneration(arrived(end, { exchange: '' }))).toBe(true)
    expect(isEndOfGeneration(arrived(end))).toBe(false)
    expect(isEndOfGeneration(arrived(copyOf(arrived(end), 0, 1), { exchange: '' }))).toBe(false)
  })
})
