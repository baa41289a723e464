import { randomUUID } from 'node:crypto'
import type { Transaction } from '@mekong/postgres'
import type { StepHandlers } from '@mekong/saga'
import type { OrderSaga } from '../saga.ts'

export interface PaymentOptions {
  /** A total above it is declined. */
  readonly limitPence: number
}

/** Money: one charge for a sale that is paid, one refund for a return, nothing for what is declined. */
export function paymentSteps({ limitPence }: PaymentOptions): StepHandlers<OrderSaga, 'payment'> {
  return {
    async charge({ orderId, totalPence }, step) {
      if (totalPence > limitPence) return step.emit('payment.declined', { orderId, limitPence })
      step.emit('payment.charged', { orderId, paymentId: await pay(step.tx, orderId, 'charge', totalPence) })
    },

    async refund({ orderId, totalPence }, step) {
      step.emit('payment.refunded', { orderId, paymentId: await pay(step.tx, orderId, 'refund', totalPence) })
    },
  }
}

/** The table takes one payment of a kind for an order: a double charge would be an error, never a second row. */
async function pay(tx: Transaction, orderId: string, kind: 'charge' | 'refund', pence: number): Promise<string> {
  const paymentId = randomUUID()
  await tx.query('insert into payment.payment (payment_id, order_id, kind, amount_pence) values ($1, $2, $3, $4)', [
    paymentId,
    orderId,
    kind,
    pence,
  ])
  return paymentId
}

export const paymentMigration = {
  name: 'payment-001',
  statements: () => [
    `create table if not exists payment.payment (
      payment_id uuid primary key,
      order_id text not null,
      kind text not null check (kind in ('charge', 'refund')),
      amount_pence bigint not null check (amount_pence >= 0),
      unique (order_id, kind)
    )`,
  ],
}
