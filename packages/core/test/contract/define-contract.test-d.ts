import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { Contract, EventData, EventInput, EventType } from '../../src/contract.ts'
import { defineContract } from '../../src/define-contract.ts'
import type { EventBus } from '../../src/event-bus.ts'

const contract = defineContract({
  'order.created': {
    topic: 'orders',
    key: event => event.orderId,
    schema: z.object({
      orderId: z.string(),
      total: z.number(),
      placedAt: z.string().transform(text => new Date(text)),
    }),
    version: 2,
    upcast: { 1: data => data },
  },
  'order.cancelled': { topic: 'orders', schema: v.object({ orderId: v.string() }), key: event => event.orderId },
  'stock.counted': { schema: z.object({ units: z.number() }), key: 'required' },
  'shop.opened': { schema: v.object({ note: v.optional(v.string()) }) },
})
type Shop = typeof contract
declare const bus: EventBus<Shop>
declare const untyped: EventBus
declare const services: unknown

describe('a contract', () => {
  it('is a contract, with the types that were declared', () => {
    expectTypeOf(contract).toExtend<Contract>()
    expectTypeOf<EventType<Shop>>().toEqualTypeOf<
      'order.created' | 'order.cancelled' | 'stock.counted' | 'shop.opened'
    >()
  })

  it('takes the input of the schema and hands out its output', () => {
    expectTypeOf<EventInput<Shop, 'order.created'>>().toEqualTypeOf<{
      orderId: string
      total: number
      placedAt: string
    }>()
    expectTypeOf<EventData<Shop, 'order.created'>>().toEqualTypeOf<{ orderId: string; total: number; placedAt: Date }>()
    expectTypeOf<EventData<Shop, 'shop.opened'>>().toEqualTypeOf<{ note?: string | undefined }>()
  })

  it('gives the key function the output of the schema beside it, before or after', () => {
    defineContract({
      a: {
        key: event => {
          expectTypeOf(event).toEqualTypeOf<{ id: string }>()
          return event.id
        },
        schema: z.object({ id: z.string() }),
      },
      b: {
        schema: v.object({ id: v.pipe(v.string(), v.transform(Number)) }),
        key: event => {
          expectTypeOf(event).toEqualTypeOf<{ id: number }>()
          return String(event.id)
        },
      },
    })
  })

  it('does not take keys that may be missing, are no strings, or are not there', () => {
    // @ts-expect-error the field is optional
    defineContract({ a: { schema: z.object({ id: z.string().optional() }), key: event => event.id } })
    // @ts-expect-error the field is a number
    defineContract({ a: { key: event => event.id, schema: v.object({ id: v.number() }) } })
    // @ts-expect-error there is no such field
    defineContract({ a: { key: event => event.name, schema: z.object({ id: z.string() }) } })
    // @ts-expect-error only 'required' is a word
    defineContract({ a: { key: 'id', schema: z.object({ id: z.string() }) } })
  })

  it('does not take what is no schema, and no unknown option', () => {
    // @ts-expect-error a type is no schema
    defineContract({ a: { schema: { id: 'string' } } })
    // @ts-expect-error there is no schema
    defineContract({ a: { topic: 'orders' } })
    // @ts-expect-error it is called topic
    defineContract({ a: { schema: z.string(), queue: 'orders' } })
  })
})

describe('a bus with a contract', () => {
  it('publishes what the contract declares', () => {
    void bus.publish('order.created', { orderId: '1', total: 2, placedAt: '2026-01-01' })
    void bus.publish('order.created', { orderId: '1', total: 2, placedAt: '2026-01-01' }, { delayMs: 5 })
    void bus.publish('stock.counted', { units: 3 }, { key: 'warehouse' })
    void bus.publish('shop.opened', {})
  })

  it('does not publish anything else', () => {
    // @ts-expect-error no such event type
    void bus.publish('order.craeted', { orderId: '1', total: 2, placedAt: '' })
    // @ts-expect-error a field is missing
    void bus.publish('order.created', { orderId: '1', placedAt: '' })
    // @ts-expect-error a field is of another type
    void bus.publish('order.created', { orderId: '1', total: '2', placedAt: '' })
    // @ts-expect-error data of another event type
    void bus.publish('order.created', { units: 3 })
    // @ts-expect-error the contract says key: 'required'
    void bus.publish('stock.counted', { units: 3 })
    // @ts-expect-error options without the key
    void bus.publish('stock.counted', { units: 3 }, { delayMs: 5 })
    // @ts-expect-error the key is no string
    void bus.publish('stock.counted', { units: 3 }, { key: 5 })
    // @ts-expect-error no such event type
    void bus.publishMany([{ type: 'order.craeted', data: {} }])
  })

  it('hands a handler the output, and lets it publish by the same contract', () => {
    bus.subscribe('order.created', (event, context) => {
      expectTypeOf(event).toEqualTypeOf<{ orderId: string; total: number; placedAt: Date }>()
      void context.publish('order.cancelled', { orderId: event.orderId })
      // @ts-expect-error a field is of another type
      void context.publish('order.cancelled', { orderId: 5 })
      // @ts-expect-error the contract says key: 'required'
      void context.publish('stock.counted', { units: 3 })
    })
    bus.subscribe({
      'order.created': event => expectTypeOf(event.placedAt).toEqualTypeOf<Date>(),
      'order.cancelled': event => expectTypeOf(event).toEqualTypeOf<{ orderId: string }>(),
    })
    // @ts-expect-error no such event type
    bus.subscribe('order.craeted', () => {})
    // @ts-expect-error a handler that wants another event
    bus.subscribe('order.created', (event: { units: number }) => event)
  })
})

describe('a bus without a contract', () => {
  it('takes any type and any data', () => {
    void untyped.publish('anything', { at: 'all' })
    void untyped.publish('anything', services, { key: 'k' })
    untyped.subscribe('anything', (event, context) => {
      expectTypeOf(event).toBeAny()
      void context.publish('something.else', event.field)
    })
  })
})
