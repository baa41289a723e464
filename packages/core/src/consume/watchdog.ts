import type { Clock } from '../clock.ts'
import type { Lag, Partition } from '../driver/driver-contract.ts'

export interface WatchdogOptions {
  readonly clock: Clock
  readonly stalledAfterMs: number
  readonly lag: () => Promise<ReadonlyMap<Partition, Lag> | undefined>
  /** Nothing of the partition is waiting, running or paused here. */
  readonly isIdle: (partition: Partition) => boolean
  /** When something last arrived or was settled, by the monotonic clock. */
  readonly progressAt: () => number | undefined
  /** Builds the consumer anew. Never rejects for the broker's sake. */
  readonly onStalled: (partition: Partition, lag: number) => Promise<void>
}

/**
 * Notices a consumer that dies silently: its partition has lag, nothing of it is here, and it was so for the whole of
 * `stalledAfterMs`.
 */
export class Watchdog {
  readonly #options: WatchdogOptions
  readonly #suspectSince = new Map<Partition, number>()
  #cancel: (() => void) | undefined
  #isRunning = false

  constructor(options: WatchdogOptions) {
    this.#options = options
  }

  start(): void {
    this.#isRunning = true
    this.#arm()
  }

  stop(): void {
    this.#isRunning = false
    this.#cancel?.()
  }

  #arm(): void {
    const { clock, stalledAfterMs } = this.#options
    const turn = (): void => void this.#look().finally(() => this.#isRunning && this.#arm())
    this.#cancel = clock.after(stalledAfterMs / 4, turn, 'background')
  }

  async #look(): Promise<void> {
    const lags = await this.#lags()
    const now = this.#options.clock.monotonic()
    for (const partition of this.#suspectSince.keys()) {
      if (!this.#isSuspect(partition, lags?.get(partition))) this.#suspectSince.delete(partition)
    }
    for (const [partition, lag] of lags ?? []) {
      if (!this.#isSuspect(partition, lag)) continue
      const since = this.#suspectSince.get(partition) ?? now
      this.#suspectSince.set(partition, since)
      if (now - since < this.#options.stalledAfterMs || !this.#isRunning) continue
      this.#suspectSince.clear()
      return this.#options.onStalled(partition, lag.messages)
    }
  }

  /** Progress anywhere is progress: a busy consumer serves its partitions in turn. */
  #isSuspect(partition: Partition, lag: Lag | undefined): boolean {
    const { clock, stalledAfterMs, progressAt, isIdle } = this.#options
    const progress = progressAt()
    const isQuiet = progress === undefined || clock.monotonic() - progress > stalledAfterMs / 4
    return lag !== undefined && lag.messages > 0 && isQuiet && isIdle(partition)
  }

  /** A broker out of reach, or without an answer, has no lag to judge: the driver reports that itself. */
  #lags(): Promise<ReadonlyMap<Partition, Lag> | undefined> {
    const { clock, stalledAfterMs, lag } = this.#options
    return new Promise(resolve => {
      const cancel = clock.after(stalledAfterMs / 4, () => resolve(undefined), 'background')
      const answer = (lags: ReadonlyMap<Partition, Lag> | undefined): void => {
        cancel()
        resolve(lags)
      }
      lag().then(answer, () => answer(undefined))
    })
  }
}
