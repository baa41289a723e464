import { randomUUID } from 'node:crypto'
import type { LeasedEvent, ScheduledEvent, ScheduleStore } from '@mekong/core/driver'
import { LONG_LEASE_MS, type StoreHarness } from './store-case.ts'

/** One case with names of its own, and short words for what it asks of the store. */
export class ScheduleScene {
  readonly store: ScheduleStore
  readonly harness: StoreHarness<ScheduleStore>
  readonly #run: string = randomUUID()

  constructor(store: ScheduleStore, harness: StoreHarness<ScheduleStore>) {
    this.store = store
    this.harness = harness
  }

  async event(name: string, inMs: number): Promise<ScheduledEvent> {
    const event = {
      id: `${this.#run} ${name}`,
      type: 'order.reminded',
      topic: 'orders',
      key: name,
      headers: { 'ce-id': name, 'content-type': 'application/json' },
      body: new TextEncoder().encode(name),
    }
    return { event, dueAt: Math.round(await this.harness.now()) + inMs }
  }

  leaseDue(
    options: { owner?: string; leaseMs?: number; limit?: number } = {},
    store: ScheduleStore = this.store,
  ): Promise<readonly LeasedEvent[]> {
    return store.leaseDue({ owner: 'relay', leaseMs: LONG_LEASE_MS, limit: 1000, ...options })
  }

  /** Cases share one schedule: each leaves it empty. */
  async empty(...added: readonly ScheduledEvent[]): Promise<void> {
    const longestMs = Math.max(0, ...added.map(({ dueAt }) => dueAt)) - (await this.harness.now())
    if (longestMs > 0) await this.harness.passTime(longestMs + 1)
    await this.store.delete(await this.leaseDue())
  }
}

/** The name that the case gave it. */
export function nameOf({ event }: ScheduledEvent): string {
  return event.key ?? ''
}
