import type { Ledgers, OrderRow } from '../../src/run/ledgers.ts'
import type { Order } from '../../src/order/order-service.ts'

const row = (order_id: string, status: string, total_pence: number, reason = ''): OrderRow => ({
  order_id,
  status,
  total_pence,
  customer_id: '17850.0',
  reason,
  kind: order_id.startsWith('C') ? 'return' : 'sale',
  placed_ms: 1000,
})

const mail = (orderId: string, kind: string): Ledgers['emails'][number] => ({
  messageId: `<${orderId}@shop.example>`,
  orderId,
  kind,
  to: '17850.0@customers.example',
})

/** What four orders, one of each outcome, leave behind when everything went well. */
export function soundLedgers(): Ledgers {
  return {
    orders: [
      row('1', 'completed', 1000),
      row('2', 'rejected', 9900, 'out of stock: b'),
      row('3', 'cancelled', 700_000, 'payment declined'),
      row('C4', 'refunded', 250),
    ],
    payments: [
      { payment_id: 'p1', order_id: '1', kind: 'charge', amount_pence: 1000 },
      { payment_id: 'p2', order_id: 'C4', kind: 'refund', amount_pence: 250 },
    ],
    stock: [
      { stock_code: 'a', initial: 50, reserved: 0, on_hand: 41 },
      { stock_code: 'b', initial: 50, reserved: 0, on_hand: 50 },
    ],
    emails: [mail('1', 'completed'), mail('2', 'rejected'), mail('3', 'cancelled'), mail('C4', 'refunded')],
    rejectedLines: [{ file: 'day.csv', line: 7, reason: 'no-price' }],
  }
}

/** The orders of the input that these ledgers come from. */
export function inputOrders(): readonly Order[] {
  const order = (orderId: string, totalPence: number, stockCode: string, units: number): Order => ({
    orderId,
    kind: orderId.startsWith('C') ? 'return' : 'sale',
    customerId: '17850.0',
    totalPence,
    items: [{ stockCode, units }],
  })
  return [order('1', 1000, 'a', 10), order('2', 9900, 'b', 99), order('3', 700_000, 'b', 3), order('C4', 250, 'a', 1)]
}
