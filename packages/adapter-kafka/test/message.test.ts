import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IncomingRecord } from '../src/client/kafka-client.ts'
import { bytesOf, KafkaIncoming, keyBytes, toRecord } from '../src/kafka-message.ts'

const partition = { topic: 'orders', id: '3', epoch: 1 }

function outgoing(headers: Record<string, string>, key: string | undefined = 'a') {
  return { topic: 'orders', key, headers, body: Buffer.from('{}'), delayMs: 0, until: 'stored' as const }
}

type Headers = readonly (readonly [name: string, value: Uint8Array | null])[]

function incoming({
  headers = [],
  ...record
}: Partial<IncomingRecord> & { readonly headers?: Headers }): KafkaIncoming {
  const eachHeader: IncomingRecord['eachHeader'] = visit => {
    for (const [name, value] of headers) visit(name, value)
  }
  const whole = { offset: 7, timestamp: 0, key: null, value: Buffer.from('{}'), eachHeader, ...record }
  return new KafkaIncoming(partition, whole, { offset: 7, isSettled: false, open: undefined })
}

describe('messages to Kafka', () => {
  it('carry CloudEvents attributes as the Kafka binding says', () => {
    const { headers } = toRecord(
      outgoing({ 'ce-id': '1', 'ce-type': 'order.created', 'content-type': 'application/json', tenant: 'acme' }),
      null,
      0,
    )
    expect({ ...headers }).toEqual({
      ce_id: '1',
      ce_type: 'order.created',
      'content-type': 'application/json',
      tenant: 'acme',
    })
  })

  it('come back with the headers that they were sent with, whatever these are called', () => {
    const name = fc.stringMatching(/^(ce-[a-z0-9]{1,8}|[a-z0-9][a-z0-9._-]{0,12}|ce_{1,3}[a-z]{0,4})$/)
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ unit: 'grapheme' })), headers => {
        const record = toRecord(outgoing(headers), null, 0)
        const read = incoming({
          headers: Object.entries(record.headers).map(([key, value]) => [key, Buffer.from(value)]),
        })
        expect(Object.fromEntries(read.headers.entries())).toEqual(headers)
      }),
    )
  })

  it('have no key where the event has none', () => {
    expect(keyBytes(undefined)).toBeNull()
    expect(keyBytes('')).toEqual(Buffer.alloc(0))
  })

  it('count at least what they take', () => {
    const small = bytesOf(outgoing({}))
    expect(bytesOf(outgoing({ city: 'Zürich' })) - small).toBeGreaterThanOrEqual('cityZürich'.length + 1)
  })
})

describe('messages from Kafka', () => {
  it('name themselves by their place', () => {
    const message = incoming({})
    expect([message.position, message.messageId, message.deliveries]).toEqual(['7', 'orders/3/7', undefined])
  })

  it('have an empty body where the value is null: a tombstone', () => {
    expect(incoming({ value: null }).body.byteLength).toBe(0)
  })

  it('give bytes that are no text as base64, as key and as header', () => {
    const bytes = Uint8Array.of(0xff, 0x00, 0xfe)
    const message = incoming({ key: bytes, headers: [['schema', bytes]] })
    expect(message.key).toBe('/wD+')
    expect(message.headers.get('schema')).toBe('/wD+')
  })

  it('leave text alone that holds the sign for what is no text', () => {
    const headers = [['note', Buffer.from('a\uFFFDb')]] as const
    expect(incoming({ headers }).headers.get('note')).toBe('a\uFFFDb')
  })

  it('give an empty text where a header has no value, and the last of a name that is there twice', () => {
    const { headers } = incoming({
      headers: [
        ['none', null],
        ['Twice', Buffer.from('1')],
        ['twice', Buffer.from('2')],
      ],
    })
    expect([...headers.entries()]).toEqual([
      ['none', ''],
      ['twice', '2'],
    ])
  })
})
