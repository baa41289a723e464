import type { Clock } from '../clock.ts'
import { MekongError } from '../error.ts'
import type { LeasedEvent, ScheduledEvent, ScheduleStore } from './schedule-store.ts'

export interface MemoryScheduleOptions {
  /** Beyond it `add` rejects with BUFFER_FULL and adds nothing. @default 100,000 */
  readonly maxEvents?: number | undefined
}

/** Keeps delayed publishes in this process: they are lost when it ends. */
export function memorySchedule(clock: Clock, { maxEvents = 100_000 }: MemoryScheduleOptions = {}): ScheduleStore {
  if (!Number.isInteger(maxEvents) || maxEvents < 1) {
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `memorySchedule: maxEvents must be a positive integer; found ${String(maxEvents)}`,
    )
  }
  return new MemorySchedule(clock, maxEvents)
}

interface Waiting extends ScheduledEvent {
  /** Breaks ties: first come, first served. */
  readonly order: number
  owner: string | undefined
  fence: number
  /** By the monotonic clock. */
  leasedUntil: number
}

class MemorySchedule implements ScheduleStore {
  readonly durable = false
  readonly #clock: Clock
  readonly #maxEvents: number
  readonly #byId = new Map<string, Waiting>()
  /** By due time, then by order. */
  readonly #sorted: Waiting[] = []
  #added = 0

  constructor(clock: Clock, maxEvents: number) {
    this.#clock = clock
    this.#maxEvents = maxEvents
  }

  async add(events: readonly ScheduledEvent[]): Promise<void> {
    if (this.#byId.size + events.length > this.#maxEvents) {
      throw new MekongError(
        'BUFFER_FULL',
        `the schedule in memory holds ${this.#byId.size} of ${this.#maxEvents} events`,
        {
          retryable: true,
        },
      )
    }
    for (const { event, dueAt } of events) {
      if (this.#byId.has(event.id)) continue
      const waiting: Waiting = {
        event,
        dueAt,
        order: this.#added++,
        owner: undefined,
        fence: 0,
        leasedUntil: -Infinity,
      }
      this.#byId.set(event.id, waiting)
      this.#sorted.splice(this.#placeOf(waiting), 0, waiting)
    }
  }

  async leaseDue(request: { owner: string; leaseMs: number; limit: number }): Promise<readonly LeasedEvent[]> {
    const { owner, leaseMs, limit } = request
    const now = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const leased: LeasedEvent[] = []
    for (const waiting of this.#sorted) {
      if (leased.length >= limit || waiting.dueAt > now) break
      if (waiting.leasedUntil > monotonic) continue
      waiting.owner = owner
      waiting.fence++
      waiting.leasedUntil = monotonic + leaseMs
      leased.push({ event: waiting.event, dueAt: waiting.dueAt, owner, fence: waiting.fence })
    }
    return leased
  }

  async delete(events: readonly LeasedEvent[]): Promise<void> {
    for (const { event, owner, fence } of events) {
      const waiting = this.#byId.get(event.id)
      if (waiting === undefined || waiting.owner !== owner || waiting.fence !== fence) continue
      this.#byId.delete(event.id)
      this.#sorted.splice(this.#placeOf(waiting), 1)
    }
  }

  async nextDueAt(): Promise<number | undefined> {
    const now = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    let earliest: number | undefined
    for (const waiting of this.#sorted) {
      const leasedForMs = waiting.leasedUntil - monotonic
      const at = leasedForMs > 0 ? now + leasedForMs : waiting.dueAt
      earliest = Math.min(earliest ?? Infinity, at)
      if (leasedForMs <= 0) break
    }
    return earliest
  }

  /** Where it stands, or belongs. */
  #placeOf(waiting: Waiting): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#sorted[middle]!
      const isBefore = other.dueAt < waiting.dueAt || (other.dueAt === waiting.dueAt && other.order < waiting.order)
      if (isBefore) low = middle + 1
      else high = middle
    }
    return low
  }
}
