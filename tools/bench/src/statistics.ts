export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @throws RangeError when there is nothing to take the median of */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (min === undefined || max === undefined) throw new RangeError('no values')
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1)
  return { median: middle.reduce((sum, value) => sum + value, 0) / middle.length, min, max }
}

/** The order of the contenders in a round: each comes first once before one comes first again. */
export function inTurn<Item>(items: readonly Item[], round: number): readonly Item[] {
  return items.map((_, place) => items[(place + round) % items.length] as Item)
}
