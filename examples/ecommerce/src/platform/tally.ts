import type { Observer, Signal } from '@mekong/core'

/** What the buses did, counted from their signals: for the summary only, never for the ledgers. */
export interface Tally {
  eventsPublished: number
  eventsHandled: number
  duplicatesSuppressed: number
  redeliveries: number
  failedAttempts: number
  deadLetters: number
  redriven: number
}

export function emptyTally(): Tally {
  return {
    eventsPublished: 0,
    eventsHandled: 0,
    duplicatesSuppressed: 0,
    redeliveries: 0,
    failedAttempts: 0,
    deadLetters: 0,
    redriven: 0,
  }
}

export function sumOfTallies(tallies: readonly Readonly<Tally>[]): Tally {
  const total = emptyTally()
  const names = Object.keys(total) as (keyof Tally)[]
  for (const tally of tallies) for (const name of names) total[name] += tally[name]
  return total
}

export function startTally(): { readonly tally: Tally; readonly observe: Observer } {
  const tally = emptyTally()
  return { tally, observe: signal => count(tally, signal) }
}

function count(tally: Tally, signal: Signal): void {
  switch (signal.is) {
    case 'published':
      tally.eventsPublished++
      break
    case 'completed':
      tally.eventsHandled++
      break
    case 'duplicate':
      tally.duplicatesSuppressed++
      break
    case 'received':
      if ((signal.deliveries ?? 1) > 1) tally.redeliveries++
      break
    case 'attempt-failed':
      tally.failedAttempts++
      break
    case 'held':
      if (signal.state === 'dead') tally.deadLetters++
      break
    case 'redriven':
      tally.redriven++
      break
    default:
      break
  }
}
