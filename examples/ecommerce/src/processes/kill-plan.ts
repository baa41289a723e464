import { randomFrom } from '../run/seeded.ts'

/** One kill of a plan. */
export interface PlannedKill {
  readonly victim: string
  /** Strikes when so many orders are placed, and so many milliseconds later. */
  readonly afterOrders: number
  readonly afterMs: number
  /** How long a server stays away before it is started again; a service is started again at once. */
  readonly awayMs: number
}

export interface KillPlanOptions {
  readonly seed: number
  readonly victims: readonly string[]
  readonly orders: number
}

const fewestRounds = 1
const mostRounds = 5
const ordersOfRound = 150
const longestDelayMs = 300
const longestAwayMs = 1500

/**
 * Which is killed when. Each round kills every victim once, in another sequence; rounds are spread over the orders, and a
 * short run has one. The same for the same seed, victims and number of orders.
 */
export function killPlan(options: KillPlanOptions): readonly PlannedKill[] {
  const { seed, victims, orders } = options
  if (orders === 0) return []
  const random = randomFrom(seed)
  const rounds = Math.min(mostRounds, Math.max(fewestRounds, Math.round(orders / ordersOfRound)))
  const sequence = Array.from({ length: rounds }, () => shuffled(victims, random)).flat()
  return sequence.map((victim, index) => ({
    victim,
    afterOrders: Math.floor((orders * (index + random())) / sequence.length),
    afterMs: Math.round(longestDelayMs * random()),
    awayMs: Math.round(longestAwayMs * random()),
  }))
}

function shuffled<Item>(items: readonly Item[], random: () => number): readonly Item[] {
  return items
    .map(item => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
