import { defineContract } from '@mekong/core'
import type { Transaction } from '@mekong/postgres'
import { expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createOutbox } from '../src/index.ts'

declare const tx: Transaction

const contract = defineContract({
  'order.created': { schema: z.object({ orderId: z.string() }), key: order => order.orderId },
  'order.noted': { schema: z.object({ note: z.string() }), key: 'required' },
})
const outbox = createOutbox({ source: 'orders', contract })

it('takes what the contract declares', () => {
  expectTypeOf(outbox.publish(tx, 'order.created', { orderId: '1' })).resolves.toHaveProperty('id')
  void outbox.publish(tx, 'order.noted', { note: 'n' }, { key: 'k' })
  void outbox.publishMany(tx, [
    { type: 'order.created', data: { orderId: '1' } },
    { type: 'order.noted', data: { note: 'n' }, options: { key: 'k' } },
  ])
})

it('refuses what it does not', () => {
  // @ts-expect-error no such type
  void outbox.publish(tx, 'order.unknown', {})
  // @ts-expect-error wrong data
  void outbox.publish(tx, 'order.created', { orderId: 1 })
  // @ts-expect-error a missing key
  void outbox.publish(tx, 'order.noted', { note: 'n' })
  // @ts-expect-error a delay is not possible
  void outbox.publish(tx, 'order.created', { orderId: '1' }, { delayMs: 1000 })
  // @ts-expect-error the data of another type
  void outbox.publishMany(tx, [{ type: 'order.created', data: { note: 'n' } }])
})

it('takes anything without a contract', () => {
  const untyped = createOutbox({ source: 'orders' })
  void untyped.publish(tx, 'whatever', { n: 1 })
})
