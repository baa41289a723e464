/** Random choices that a seed repeats. */
export interface Random {
  readonly seed: number
  /** Uniform in [0, 1). */
  next(): number
  /** An integer in [0, below). */
  below(below: number): number
  pick<T>(choices: readonly T[]): T
  /** True once in `n` times. */
  onceIn(n: number): boolean
  bytes(length: number): Uint8Array<ArrayBuffer>
  /** A source of its own for one concern, so that more choices in one place do not change another's. */
  fork(name: string): Random
}

/** MEKONG_SEED repeats a run that failed; otherwise every run is another one. */
export function seedOfRun(): number {
  const given = Number(process.env['MEKONG_SEED'])
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0x7fffffff)
}

/** Mulberry32: small, fast, and good enough to choose faults by. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    seed,
    next,
    below,
    pick: choices => choices[below(choices.length)]!,
    onceIn: n => below(n) === 0,
    bytes: length => Uint8Array.from({ length }, () => below(256)),
    fork: name => seededRandom((seed ^ hash(name)) >>> 0),
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193)
  return value >>> 0
}
