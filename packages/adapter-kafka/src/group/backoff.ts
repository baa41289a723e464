const SHORTEST_MS = 100
const LONGEST_MS = 5000

/** Pauses between attempts to reach a broker: growing, with full jitter, so that many members do not come back together. */
export class Backoff {
  readonly #random: () => number
  #failures = 0

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  succeeded(): void {
    this.#failures = 0
  }

  nextMs(): number {
    const boundMs = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.#failures++)
    return boundMs * (0.2 + 0.8 * this.#random())
  }
}
