import { all, any, compensated, defineSaga } from '@mekong/saga'
import { contract } from './contract.ts'

/** What becomes of an order or a return, from its first event to its email. */
export const orderSaga = defineSaga(contract, {
  name: 'order',
  starts: any('order.created', 'return.requested'),
  correlate: event => event.orderId,
  steps: {
    reserve: { service: 'inventory', on: 'order.created', emits: 'stock.reserved', fails: 'stock.rejected' },
    reject: { service: 'order', on: 'stock.rejected', emits: 'order.rejected' },

    charge: {
      service: 'payment',
      on: 'stock.reserved',
      emits: 'payment.charged',
      fails: 'payment.declined',
      pivot: true,
    },
    complete: { service: 'order', on: 'payment.charged', emits: 'order.completed' },
    dispatch: { service: 'inventory', on: 'order.completed' },

    release: { service: 'inventory', on: 'payment.declined', emits: 'stock.released', compensates: 'reserve' },
    cancel: { service: 'order', on: 'stock.released', emits: 'order.cancelled' },

    restock: { service: 'inventory', on: 'return.requested', emits: 'stock.returned' },
    refund: { service: 'payment', on: 'return.requested', emits: 'payment.refunded' },
    settle: { service: 'order', on: all('stock.returned', 'payment.refunded'), emits: 'order.refunded' },

    notify: { service: 'email', on: any('order.completed', 'order.rejected', 'order.cancelled', 'order.refunded') },
  },
  ends: {
    completed: 'order.completed',
    rejected: compensated('order.rejected'),
    cancelled: compensated('order.cancelled'),
    refunded: 'order.refunded',
  },
})

export type OrderSaga = typeof orderSaga
