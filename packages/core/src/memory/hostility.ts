import { MekongError } from '../error.ts'

/**
 * Makes the memory broker as bad as the worst of all brokers, for tests: each option by itself, in any combination.
 * Probabilities are between 0 and 1. The capabilities follow; what is random follows from the seed and the order of calls.
 */
export interface Hostility {
  /** Print it when a test fails. */
  readonly seed: number
  /**
   * `in-flight`, like a FIFO queue: every member takes from every partition, a key is locked while one of it is in hand.
   * `none`, like a standard queue: no lock and no order. @default 'partition'
   */
  readonly affinity?: 'partition' | 'in-flight' | 'none'
  /** `apart`: entries of a batch are stored in any order and fail one by one; two of one key are a violation. @default 'together' */
  readonly sameKeyBatch?: 'together' | 'apart'
  /** @default true */
  readonly redeliversLater?: boolean
  /** @default true */
  readonly publishesLater?: boolean
  /** Partitions are visited in any order, in batches of any size. @default false */
  readonly shuffle?: boolean
  /** A whole batch is not stored. @default 0 */
  readonly notStored?: number
  /** One run of a batch is not stored: what goes to one partition, or one entry where `sameKeyBatch` is apart. @default 0 */
  readonly partial?: number
  /** The fate of a run is unknown: it lands now, later or never. @default 0 */
  readonly unknown?: number
  /** A publish takes its whole timeout, its fate is unknown then, and it lands in the meantime, later or never. @default 0 */
  readonly hang?: number
  /** The handle of a message dies in its consumer's hands; where order is kept, those of the later ones of its key with it. @default 0 */
  readonly lost?: number
  /** An acknowledged message is delivered again. @default 0 */
  readonly duplicate?: number
  /** After a batch its partition is taken away, in order or not, and given to any member. With affinity `partition`. @default 0 */
  readonly revoke?: number
  /** Before a publish the connection of everybody is lost for up to `awayMs`. @default 0 */
  readonly disconnect?: number
  /** Upper bound of the random delays of what happens later. @default 20 */
  readonly withinMs?: number
  /** @default 50 */
  readonly awayMs?: number
}

export type ResolvedHostility = Required<Hostility>

const defaults: Omit<ResolvedHostility, 'seed'> = {
  affinity: 'partition',
  sameKeyBatch: 'together',
  redeliversLater: true,
  publishesLater: true,
  shuffle: false,
  notStored: 0,
  partial: 0,
  unknown: 0,
  hang: 0,
  lost: 0,
  duplicate: 0,
  revoke: 0,
  disconnect: 0,
  withinMs: 20,
  awayMs: 50,
}

const probabilities = ['notStored', 'partial', 'unknown', 'hang', 'lost', 'duplicate', 'revoke', 'disconnect'] as const

/** @throws MekongError INVALID_CONFIGURATION */
export function resolveHostility(given: Hostility = { seed: 0 }): ResolvedHostility {
  for (const name of Object.keys(given)) {
    if (name !== 'seed' && !Object.hasOwn(defaults, name)) throw invalid(`hostility.${name} is not an option`)
  }
  const hostility = { ...defaults, ...given }
  for (const name of probabilities) {
    const value = hostility[name]
    if (!(value >= 0 && value <= 1)) throw invalid(`hostility.${name} must be between 0 and 1, not ${String(value)}`)
  }
  if (hostility.revoke > 0 && hostility.affinity !== 'partition') {
    throw invalid(`hostility.revoke needs affinity 'partition': nobody owns a partition with '${hostility.affinity}'`)
  }
  return hostility
}

/** Uniform in [0, 1), the same sequence for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
