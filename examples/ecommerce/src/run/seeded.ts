import { createHash } from 'node:crypto'

/** In [0, 1), by the seed and the name alone: the same is chosen whatever happens in between. */
export function fraction(seed: number, name: string): number {
  return createHash('sha256').update(`${seed} ${name}`).digest().readUInt32BE() / 2 ** 32
}

/** Uniform in [0, 1), the same sequence for the same seed. */
export function randomFrom(seed: number): () => number {
  let drawn = 0
  return () => fraction(seed, `draw ${drawn++}`)
}
