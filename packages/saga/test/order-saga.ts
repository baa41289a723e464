import { defineContract } from '@mekong/core'
import { z } from 'zod'
import { all, any, compensated, defineSaga } from '../src/index.ts'

const order = z.object({ orderId: z.string() })

export const contract = defineContract({
  'order.created': { topic: 'orders', key: e => e.orderId, schema: order.extend({ total: z.number() }) },
  'order.completed': { topic: 'orders', key: e => e.orderId, schema: order },
  'order.rejected': { topic: 'orders', key: e => e.orderId, schema: order.extend({ reason: z.string() }) },
  'order.cancelled': { topic: 'orders', key: e => e.orderId, schema: order },
  'order.refunded': { topic: 'orders', key: e => e.orderId, schema: order },
  'return.requested': { topic: 'orders', key: e => e.orderId, schema: order },
  'stock.reserved': { topic: 'stock', key: e => e.orderId, schema: order.extend({ total: z.number() }) },
  'stock.rejected': { topic: 'stock', key: e => e.orderId, schema: order },
  'stock.released': { topic: 'stock', key: e => e.orderId, schema: order },
  'stock.returned': { topic: 'stock', key: e => e.orderId, schema: order.extend({ units: z.number() }) },
  'payment.charged': { topic: 'payments', key: e => e.orderId, schema: order },
  'payment.declined': { topic: 'payments', key: e => e.orderId, schema: order.extend({ reason: z.string() }) },
  'payment.refunded': { topic: 'payments', key: e => e.orderId, schema: order.extend({ pence: z.number() }) },
})

export const orderSaga = defineSaga(contract, {
  name: 'order',
  starts: any('order.created', 'return.requested'),
  correlate: event => event.orderId,
  steps: {
    reserve: { service: 'inventory', on: 'order.created', emits: 'stock.reserved', fails: 'stock.rejected' },
    charge: {
      service: 'payment',
      on: 'stock.reserved',
      emits: 'payment.charged',
      fails: 'payment.declined',
      pivot: true,
    },
    complete: { service: 'order', on: 'payment.charged', emits: 'order.completed' },
    dispatch: { service: 'inventory', on: 'order.completed' },

    reject: { service: 'order', on: 'stock.rejected', emits: 'order.rejected' },

    release: { service: 'inventory', on: 'payment.declined', emits: 'stock.released', compensates: 'reserve' },
    cancel: { service: 'order', on: 'stock.released', emits: 'order.cancelled' },

    restock: { service: 'inventory', on: 'return.requested', emits: 'stock.returned' },
    refund: { service: 'payment', on: 'return.requested', emits: 'payment.refunded' },
    settle: { service: 'order', on: all('stock.returned', 'payment.refunded'), emits: 'order.refunded' },

    notify: {
      service: 'email',
      on: any('order.completed', 'order.rejected', 'order.cancelled', 'order.refunded'),
    },
  },
  ends: {
    completed: 'order.completed',
    rejected: compensated('order.rejected'),
    cancelled: compensated('order.cancelled'),
    refunded: 'order.refunded',
  },
})
