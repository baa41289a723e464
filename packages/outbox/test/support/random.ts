/** Seeded randomness (mulberry32), so that a failing run can be had again. */
export interface Random {
  readonly seed: number
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform in [0, below). */
  integer(below: number): number
}

export function createRandom(
  seed: number = Number(process.env['MEKONG_SEED'] ?? Math.floor(Math.random() * 2 ** 31)),
): Random {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return { seed, next, integer: below => Math.floor(next() * below) }
}
