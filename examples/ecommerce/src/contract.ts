import { defineContract } from '@mekong/core'
import { z } from 'zod'

const orderId = z.string().min(1)
const pence = z.number().int().nonnegative()
const items = z.array(z.object({ stockCode: z.string().min(1), units: z.number().int().positive() }))
const byOrder = (event: { orderId: string }): string => event.orderId

/** Everything that the four services tell each other. Order is kept for each order. */
export const contract = defineContract({
  'order.created': {
    topic: 'orders',
    key: byOrder,
    schema: z.object({ orderId, items, totalPence: pence, customerId: z.string() }),
  },
  'return.requested': {
    topic: 'orders',
    key: byOrder,
    schema: z.object({ orderId, items, totalPence: pence, customerId: z.string() }),
  },
  'order.completed': { topic: 'outcomes', key: byOrder, schema: z.object({ orderId, customerId: z.string() }) },
  'order.rejected': { topic: 'outcomes', key: byOrder, schema: z.object({ orderId, customerId: z.string() }) },
  'order.cancelled': { topic: 'outcomes', key: byOrder, schema: z.object({ orderId, customerId: z.string() }) },
  'order.refunded': { topic: 'outcomes', key: byOrder, schema: z.object({ orderId, customerId: z.string() }) },

  'stock.reserved': { topic: 'stock', key: byOrder, schema: z.object({ orderId, totalPence: pence }) },
  'stock.rejected': { topic: 'stock', key: byOrder, schema: z.object({ orderId, stockCode: z.string() }) },
  'stock.released': { topic: 'stock', key: byOrder, schema: z.object({ orderId }) },
  'stock.returned': { topic: 'stock', key: byOrder, schema: z.object({ orderId }) },

  'payment.charged': { topic: 'payments', key: byOrder, schema: z.object({ orderId, paymentId: z.string() }) },
  'payment.declined': { topic: 'payments', key: byOrder, schema: z.object({ orderId, limitPence: pence }) },
  'payment.refunded': { topic: 'payments', key: byOrder, schema: z.object({ orderId, paymentId: z.string() }) },
})

export type ShopContract = typeof contract
