import type { Order } from '../order/order-service.ts'
import type { Shop } from './shop.ts'
import type { Trouble } from './stage.ts'

/** How many orders are placed at once. */
const placedAtOnce = 16

/** How many orders were placed so far. */
export interface Placing {
  placed: number
}

export interface PlacingParts {
  readonly shop: Shop
  readonly orders: AsyncIterable<Order>
  readonly placing: Placing
  readonly trouble: Trouble | undefined
}

/** Places all orders, some at once. */
export async function placeAll({ shop, orders, placing, trouble }: PlacingParts): Promise<void> {
  const underWay = new Set<Promise<void>>()
  for await (const order of orders) {
    await trouble?.mayPlace(placing.placed + underWay.size)
    const placed = shop.place(order).then(() => {
      placing.placed++
      underWay.delete(placed)
    })
    underWay.add(placed)
    if (underWay.size >= placedAtOnce) await Promise.race(underWay)
  }
  await Promise.all(underWay)
}
