import type { RunResult } from '../../run/run-shop.ts'

/** One order in the chart: seconds since the first was placed, and milliseconds to its email. */
interface Point {
  readonly x: number
  readonly y: number
}

/** How long one of the victims was away, in seconds since the first order was placed. */
interface Absence {
  readonly what: string
  readonly from: number
  readonly to: number
}

/** What `report.js` draws. */
export interface ChartData {
  readonly outcomes: readonly { readonly outcome: string; readonly orders: number; readonly points: readonly Point[] }[]
  /** In order of time. */
  readonly kills: readonly Absence[]
}

const outcomes = ['completed', 'rejected', 'cancelled', 'refunded', 'open']
/** More dots than that are a blot, and a page that does not open. */
const maxPoints = 5000

export function chartData({ ledgers: { orders }, latencies, kills }: RunResult): ChartData {
  const statusOf = new Map(orders.map(order => [order.order_id, order.status]))
  const shown = sample(latencies, maxPoints)
  const start = latencies.reduce((first, { placedMs }) => Math.min(first, placedMs), Infinity)
  return {
    outcomes: outcomes
      .map(outcome => ({
        outcome,
        orders: orders.filter(order => order.status === outcome).length,
        points: shown
          .filter(({ orderId }) => statusOf.get(orderId) === outcome)
          .map(({ placedMs, tookMs }) => ({ x: (placedMs - start) / 1000, y: Math.round(tookMs) })),
      }))
      .filter(({ outcome, orders: count }) => outcome !== 'open' || count > 0),
    kills: kills
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ what, atMs, downMs }) => ({ what, from: (atMs - start) / 1000, to: (atMs + downMs - start) / 1000 })),
  }
}

/** Evenly thinned. */
function sample<T>(values: readonly T[], most: number): readonly T[] {
  const step = Math.ceil(values.length / most)
  return step <= 1 ? values : values.filter((_, index) => index % step === 0)
}
