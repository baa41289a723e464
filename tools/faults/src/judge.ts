import { idempotencyKeyOf, type Numbered } from './load.ts'

/** What a run left behind, told by those who did it and not by the bus. */
export interface Evidence {
  /** Whose publishing was confirmed. */
  readonly confirmed: Iterable<Numbered>
  /** In the order in which the effects happened. */
  readonly effects: Iterable<Numbered>
}

export interface Verdict {
  readonly confirmed: number
  readonly effects: number
  /** Confirmed, and without an effect. */
  readonly lost: readonly string[]
  /** Effects beyond the first of an event. */
  readonly repeated: readonly string[]
  /** First effects that came after the first effect of a later event of their key. */
  readonly inverted: readonly string[]
}

/** Judges at least once and order by key. Order is judged on first occurrences. */
export function judge({ confirmed, effects }: Evidence): Verdict {
  const seen = new Set<string>()
  const last = new Map<string, number>()
  const repeated: string[] = []
  const inverted: string[] = []
  let count = 0
  for (const effect of effects) {
    const name = idempotencyKeyOf(effect)
    count++
    if (seen.has(name)) {
      repeated.push(name)
      continue
    }
    seen.add(name)
    if (effect.number < (last.get(effect.key) ?? 0)) inverted.push(name)
    last.set(effect.key, Math.max(effect.number, last.get(effect.key) ?? 0))
  }
  const names = [...confirmed].map(idempotencyKeyOf)
  return { confirmed: names.length, effects: count, lost: names.filter(name => !seen.has(name)), repeated, inverted }
}
