import type { EventDefinition, StandardSchema } from '@mekong/core'

/** The events of the cases: orders that change, each numbered within its order. */
export interface Order {
  readonly orderId: string
  /** The first event of an order is 1. */
  readonly n: number
  readonly more?: unknown
}

type OrderEvent = EventDefinition<StandardSchema<Order>>

export interface OrdersContract {
  readonly [type: string]: OrderEvent
  readonly 'order.created': OrderEvent
  readonly 'order.changed': OrderEvent
}

const orderSchema: StandardSchema<Order> = {
  '~standard': {
    version: 1,
    vendor: 'mekong-conformance',
    validate: value => (isOrder(value) ? { value } : { issues: [{ message: 'is not an order' }] }),
  },
}

/** Both types travel on one topic; with a key where order is asked for. */
export function ordersContract(topic: string, keyed: boolean): OrdersContract {
  const event: OrderEvent = { schema: orderSchema, topic, ...(keyed && { key: (order: Order) => order.orderId }) }
  return { 'order.created': event, 'order.changed': event }
}

/** Events of several orders in turn: the first of each, then the second of each, … */
export function orders(orderIds: readonly string[], eventsOfEach: number): Order[] {
  return Array.from({ length: eventsOfEach }, (_, index) => orderIds.map(orderId => ({ orderId, n: index + 1 }))).flat()
}

export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`)
}

export function label(order: Order): string {
  return `${order.orderId}:${order.n}`
}

function isOrder(value: unknown): value is Order {
  return (
    typeof value === 'object' &&
    value !== null &&
    'orderId' in value &&
    typeof value.orderId === 'string' &&
    'n' in value
  )
}
