import type { Clock } from '../clock.ts'

export interface LeaseKeeperOptions<Lease> {
  readonly leaseMs: number
  /** Prolongs all in one call; false: lost. */
  readonly extend: (leases: readonly Lease[], leaseMs: number) => Promise<readonly boolean[]>
  readonly onLost: (lease: Lease) => void
  readonly onFailure: (error: unknown) => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Prolongs what is kept each third of the lease. A failed call is not repeated: the next third is the repetition. */
export class LeaseKeeper<Lease> {
  readonly #options: LeaseKeeperOptions<Lease>
  /** With a number for each time that it was kept: an answer about an earlier time says nothing about now. */
  readonly #kept = new Map<Lease, number>()
  #times = 0
  #isArmed = false

  constructor(options: LeaseKeeperOptions<Lease>) {
    this.#options = options
  }

  keep(lease: Lease): void {
    this.#kept.set(lease, ++this.#times)
    this.#arm()
  }

  /** False: it was not kept. */
  forget(lease: Lease): boolean {
    return this.#kept.delete(lease)
  }

  #arm(): void {
    if (this.#isArmed || this.#kept.size === 0 || this.#options.signal.aborted) return
    this.#isArmed = true
    const turn = (): void => {
      this.#isArmed = false
      this.#arm()
      void this.#extendAll()
    }
    this.#options.clock.after(this.#options.leaseMs / 3, turn, 'background')
  }

  async #extendAll(): Promise<void> {
    const kept = [...this.#kept]
    if (kept.length === 0 || this.#options.signal.aborted) return
    try {
      const leases = kept.map(([lease]) => lease)
      const extended = await this.#options.extend(leases, this.#options.leaseMs)
      for (const [index, [lease, time]] of kept.entries()) {
        if (extended[index] !== false || this.#kept.get(lease) !== time) continue
        this.#kept.delete(lease)
        this.#options.onLost(lease)
      }
    } catch (error) {
      this.#options.onFailure(error)
    }
  }
}
