import type { Clock } from '../clock.ts'
import type { PreparedEvent } from '../event/event.ts'
import { createPause, type Pause } from '../pause.ts'
import type { Observer } from '../signal.ts'
import type { LeasedEvent, ScheduleStore } from './schedule-store.ts'

export interface ScheduleRunnerOptions {
  readonly schedule: ScheduleStore
  /** Publishes with a deadline of its own, below the lease of a minute. */
  readonly send: (event: PreparedEvent) => Promise<unknown>
  /** Unique among all processes that share the store. */
  readonly owner: string
  readonly clock: Clock
  /** Never throws. */
  readonly observe: Observer | undefined
}

/** Publishes what falls due in a schedule. */
export interface ScheduleRunner {
  /** Idempotent. */
  start(): void
  /** Something was added that may be due before everything else. */
  wake(): void
  /** Takes nothing more; resolves when what was leased is published or has failed. Never rejects. Idempotent. */
  close(): Promise<void>
}

const leaseMs = 60_000
const leaseLimit = 100
/** Other processes add events without waking this one. */
const longestSleepMs = 1000
const firstBackoffMs = 100
const longestBackoffMs = 5000

/**
 * Lease, publish, delete: an event whose publish fails stays, and is leased again when its lease has run out; one that was
 * published and not deleted, because the process or the store went away, is published again with the same id.
 */
export function createScheduleRunner(options: ScheduleRunnerOptions): ScheduleRunner {
  return new Runner(options)
}

class Runner implements ScheduleRunner {
  readonly #options: ScheduleRunnerOptions
  readonly #closing = new AbortController()
  readonly #pause: Pause
  #running: Promise<void> | undefined

  constructor(options: ScheduleRunnerOptions) {
    this.#options = options
    this.#pause = createPause(options.clock, this.#closing.signal)
  }

  start(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run()
  }

  wake(): void {
    this.#pause.end()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    let backoffMs = firstBackoffMs
    while (!this.#closing.signal.aborted) {
      let sleepMs: number
      try {
        sleepMs = await this.#publishDue()
        backoffMs = firstBackoffMs
      } catch (error) {
        this.#options.observe?.({ is: 'store-unavailable', store: 'schedule', error })
        sleepMs = backoffMs
        backoffMs = Math.min(2 * backoffMs, longestBackoffMs)
      }
      if (sleepMs > 0) await this.#pause.wait(sleepMs)
    }
  }

  /** One round. Resolves with how long nothing will be due, as far as this process knows. */
  async #publishDue(): Promise<number> {
    const { schedule, owner, clock } = this.#options
    const leased = await schedule.leaseDue({ owner, leaseMs, limit: leaseLimit })
    if (leased.length > 0) {
      await schedule.delete(await this.#publish(leased))
      return 0
    }
    const dueAt = await schedule.nextDueAt()
    return dueAt === undefined ? longestSleepMs : Math.min(longestSleepMs, Math.max(1, dueAt - clock.now()))
  }

  /** In the order of their due times; the publisher keeps it by key. Resolves with those that the broker has. */
  async #publish(leased: readonly LeasedEvent[]): Promise<readonly LeasedEvent[]> {
    const results = await Promise.allSettled(leased.map(({ event }) => this.#options.send(event)))
    return leased.filter((_, index) => results[index]!.status === 'fulfilled')
  }
}
