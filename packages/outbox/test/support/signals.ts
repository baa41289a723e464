import type { RelaySignal } from '../../src/index.ts'

/** Keeps what a relay reports, to be looked at and waited for. */
export interface Signals {
  readonly observe: (signal: RelaySignal) => void
  readonly all: readonly RelaySignal[]
  /** Resolves with the first signal, from the beginning or from now on, that matches. */
  until(matches: (signal: RelaySignal) => boolean): Promise<RelaySignal>
}

export function createSignals(): Signals {
  const all: RelaySignal[] = []
  let waiters: {
    readonly matches: (signal: RelaySignal) => boolean
    readonly resolve: (signal: RelaySignal) => void
  }[] = []
  return {
    all,
    observe(signal) {
      all.push(signal)
      waiters = waiters.filter(({ matches, resolve }) => {
        if (!matches(signal)) return true
        resolve(signal)
        return false
      })
    },
    until(matches) {
      const found = all.find(matches)
      return found === undefined ? new Promise(resolve => waiters.push({ matches, resolve })) : Promise.resolve(found)
    },
  }
}
