import type { Sql, Transaction } from '@mekong/postgres'
import type { StepHandlers } from '@mekong/saga'
import type { ServiceTools } from '../platform/open-service.ts'
import type { OrderSaga } from '../saga.ts'

export interface Order {
  readonly orderId: string
  readonly kind: 'sale' | 'return'
  readonly customerId: string
  readonly totalPence: number
  readonly items: readonly { readonly stockCode: string; readonly units: number }[]
}

type Status = 'completed' | 'rejected' | 'cancelled' | 'refunded'

/** Order and event commit together: there is no order without its event, and no event without its order. */
export async function placeOrder({ sql, outbox }: Pick<ServiceTools, 'sql' | 'outbox'>, order: Order): Promise<void> {
  const { orderId, kind, customerId, totalPence, items } = order
  await sql.transaction(async tx => {
    const placed = await tx.query(
      `insert into orders.orders (order_id, kind, customer_id, total_pence) values ($1, $2, $3, $4)
       on conflict do nothing returning 1 as placed`,
      [orderId, kind, customerId, totalPence],
    )
    if (placed.length === 0) return
    const type = kind === 'sale' ? 'order.created' : 'return.requested'
    await outbox.publish(tx, type, { orderId, items: [...items], totalPence, customerId }, { correlationId: orderId })
  })
}

/** How an order ends, as its events arrive. */
export function orderSteps(): StepHandlers<OrderSaga, 'order'> {
  return {
    async complete({ orderId }, step) {
      step.emit('order.completed', await end(step.tx, orderId, 'completed', ''))
    },
    async reject({ orderId, stockCode }, step) {
      step.emit('order.rejected', await end(step.tx, orderId, 'rejected', `out of stock: ${stockCode}`))
    },
    async cancel({ orderId }, step) {
      step.emit('order.cancelled', await end(step.tx, orderId, 'cancelled', 'payment declined'))
    },
    async settle(events, step) {
      const { orderId } = events['payment.refunded']
      step.emit('order.refunded', await end(step.tx, orderId, 'refunded', ''))
    },
  }
}

/** An order ends once: a second end is a mistake that must not pass in silence. */
async function end(
  tx: Transaction,
  orderId: string,
  status: Status,
  reason: string,
): Promise<{ orderId: string; customerId: string }> {
  const [order] = await tx.query<{ customer_id: string }>(
    `update orders.orders set status = $2, reason = $3, ended_at = clock_timestamp()
     where order_id = $1 and status = 'open' returning customer_id`,
    [orderId, status, reason],
  )
  if (order === undefined) throw new Error(`order ${orderId} is not open`)
  return { orderId, customerId: order.customer_id }
}

export const orderMigration = {
  name: 'order-001',
  statements: () => [
    `create table if not exists orders.orders (
      order_id text primary key,
      kind text not null check (kind in ('sale', 'return')),
      customer_id text not null,
      total_pence bigint not null,
      status text not null default 'open',
      reason text not null default '',
      placed_at timestamptz not null default clock_timestamp(),
      ended_at timestamptz
    )`,
    `create index if not exists orders_open on orders.orders (order_id) where status = 'open'`,
  ],
}

export async function countOpenOrders(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ open: number }>(
    `select count(*)::int as open from orders.orders where status = 'open'`,
  )
  return row?.open ?? 0
}
