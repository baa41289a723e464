import type { PreparedEvent } from '../event/event.ts'

/**
 * Where a delayed publish waits when the broker cannot keep it. At least once, keyed by event id, fenced: an event is
 * leased when due, published, and deleted when the broker has it.
 */
export interface ScheduleStore {
  readonly durable: boolean
  /** Adding an id twice keeps the first. */
  add(events: readonly ScheduledEvent[]): Promise<void>
  /** Leases due events, oldest first; expired leases are taken over with a higher fence. */
  leaseDue(request: {
    readonly owner: string
    readonly leaseMs: number
    readonly limit: number
  }): Promise<readonly LeasedEvent[]>
  /** The broker has them. Ignored where the lease was lost: the new holder publishes it again, with the same id. */
  delete(events: readonly LeasedEvent[]): Promise<void>
  nextDueAt(): Promise<number | undefined>
}

export interface ScheduledEvent {
  readonly event: PreparedEvent
  /** Milliseconds since the epoch. */
  readonly dueAt: number
}

export interface LeasedEvent extends ScheduledEvent {
  readonly owner: string
  readonly fence: number
}
