import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineContract } from '../../src/define-contract.ts'
import { nearNames } from '../../src/event/names.ts'

const schema = z.object({ orderId: z.string() })
// Mistakes that the types refuse, as JavaScript would make them.
const define = (definitions: unknown): unknown =>
  defineContract(definitions as Record<string, { schema: typeof schema }>)

describe('defineContract', () => {
  it('returns what was declared, frozen, and leaves the schemas alone', () => {
    const contract = defineContract({
      'order.created': {
        topic: 'orders',
        key: event => event.orderId,
        schema,
        version: 2,
        upcast: { 1: data => data },
      },
      'order.noted': { schema: v.string(), key: 'required' },
    })
    expect(contract['order.created']).toMatchObject({ topic: 'orders', version: 2, schema })
    expect(contract['order.noted'].key).toBe('required')
    expect(Object.isFrozen(contract)).toBe(true)
    expect(Object.isFrozen(contract['order.created'])).toBe(true)
    expect(Object.isFrozen(contract['order.created'].upcast)).toBe(true)
    expect(Object.isFrozen(schema)).toBe(false)
  })

  it('finds nothing under names that every object has', () => {
    const contract = defineContract({ 'order.created': { schema } }) as Record<string, unknown>
    expect(contract['constructor']).toBeUndefined()
    expect(contract['__proto__']).toBeUndefined()
  })

  it.each([
    ['no object', undefined, 'contract must be'],
    ['an event type with a blank', { 'order created': { schema } }, 'contract["order created"]'],
    ['an empty event type', { '': { schema } }, 'contract[""]'],
    ['an event type that is too long', { ['x'.repeat(201)]: { schema } }, 'an event type'],
    ['no definition', { a: null }, 'contract["a"]'],
    ['no schema', { a: {} }, 'contract["a"].schema'],
    ['something else for a schema', { a: { schema: { parse() {} } } }, 'contract["a"].schema'],
    ['a topic with a slash', { a: { schema, topic: 'or/ders' } }, 'contract["a"].topic'],
    ['a topic that is no string', { a: { schema, topic: 5 } }, 'contract["a"].topic'],
    ['an event type that is no topic, without one', { 'a:b': { schema } }, 'contract["a:b"].topic'],
    ['a key that is another word', { a: { schema, key: 'orderId' } }, 'contract["a"].key'],
    ['version 0', { a: { schema, version: 0 } }, 'contract["a"].version'],
    ['version 1.5', { a: { schema, version: 1.5 } }, 'contract["a"].version'],
    ['a step from the present version', { a: { schema, upcast: { 1: () => {} } } }, 'contract["a"].upcast[1]'],
    ['a step that is no function', { a: { schema, version: 2, upcast: { 1: 'x' } } }, 'contract["a"].upcast[1]'],
    ['a step from no number', { a: { schema, version: 2, upcast: { one: () => {} } } }, 'contract["a"].upcast[NaN]'],
    ['a gap', { a: { schema, version: 4, upcast: { 1: () => {}, 3: () => {} } } }, 'contract["a"].upcast[2]'],
  ])('refuses %s and names the path', (_, definitions, path) => {
    expect(() => define(definitions)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(path) }),
    )
  })

  it('lets upcasting begin at a later version', () => {
    expect(() => define({ a: { schema, version: 4, upcast: { 2: () => {}, 3: () => {} } } })).not.toThrow()
  })
})

describe('nearNames', () => {
  const known = ['order.created', 'order.cancelled', 'payment.received', 'ORDER.CREATE']

  it('finds misspelt names, best first', () => {
    expect(nearNames('order.craeted', known)).toEqual(['order.created', 'ORDER.CREATE'])
  })

  it('finds nothing where nothing is near', () => {
    expect(nearNames('zebra', known)).toEqual([])
  })
})
