import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { HeldEvent, HeldFilter, HoldLease, HoldLimits, HoldScope, HoldStore } from '@mekong/core/driver'
import { LONG_LEASE_MS, type StoreHarness } from './store-case.ts'

const roomy: HoldLimits = { maxParkedKeys: 10_000, maxParkedPerKey: 10_000 }

/** One case with a scope of its own, and short words for what it asks of the store. */
export class HoldScene {
  readonly store: HoldStore
  readonly harness: StoreHarness<HoldStore>
  readonly scope: HoldScope = { group: `conformance-${randomUUID()}`, subscription: 'order.created' }
  readonly #startedAt: number
  #made = 0

  constructor(store: HoldStore, harness: StoreHarness<HoldStore>) {
    this.store = store
    this.harness = harness
    this.#startedAt = 1_700_000_000_000
  }

  /** Dead, of key `k`, unless told otherwise; held later than those made before. */
  event(name: string, options: Partial<HeldEvent> = {}): HeldEvent {
    return {
      scope: this.scope,
      event: name,
      key: 'k',
      state: 'dead',
      dueAt: undefined,
      message: {
        topic: 'orders',
        partition: '3',
        position: '42',
        messageId: undefined,
        key: 'k',
        headers: { 'ce-id': name, 'content-type': 'application/json' },
        body: new TextEncoder().encode(name),
      },
      attempts: 3,
      reason: { code: 'HANDLER_FAILED', message: 'no stock' },
      heldAt: this.#startedAt + this.#made++,
      fence: 1,
      ...options,
    }
  }

  async delayed(name: string, inMs: number, options: Partial<HeldEvent> = {}): Promise<HeldEvent> {
    const dueAt = Math.round(await this.harness.now()) + inMs
    return this.event(name, { state: 'delayed', dueAt, ...options })
  }

  /** Holds, and fails unless it is held. */
  async hold(...events: readonly HeldEvent[]): Promise<void> {
    for (const event of events) assert.equal(await this.store.hold(event, roomy), 'held', event.event)
  }

  append(...events: readonly HeldEvent[]): ReturnType<HoldStore['appendIfParked']> {
    return this.store.appendIfParked(
      events.map(event => ({ ...event, state: 'parked' })),
      roomy,
    )
  }

  /** Parks these behind a lease of the running lane, and fails unless they are. */
  async spill(events: readonly HeldEvent[], leaseMs: number = LONG_LEASE_MS): Promise<HoldLease> {
    const parked = events.map(event => ({ ...event, state: 'parked' as const }))
    const lease = await this.store.spill(parked, { owner: 'lane', leaseMs, limits: roomy })
    assert.ok(lease !== undefined, 'the lane was not spilled')
    return lease
  }

  leaseDue(
    options: { owner?: string; leaseMs?: number; limit?: number } = {},
    store: HoldStore = this.store,
  ): Promise<readonly HoldLease[]> {
    return store.leaseDue(this.scope, { owner: 'worker', leaseMs: LONG_LEASE_MS, limit: 100, ...options })
  }

  /** Leases the one lane that is due, and fails unless there is one. */
  async leaseOne(options: { owner?: string; leaseMs?: number } = {}): Promise<HoldLease> {
    const leases = await this.leaseDue(options)
    assert.equal(leases.length, 1, `${leases.length} lanes are due`)
    return leases[0]!
  }

  /** Completes what is due of a leased lane; the names in the order in which they ran. */
  async run(lease: HoldLease): Promise<readonly string[]> {
    const ran: string[] = []
    for (let event = await this.store.head(lease); event !== undefined; event = await this.store.head(lease)) {
      ran.push(event.event)
      if ((await this.store.finish(lease, event.event)) !== 'more') break
    }
    return ran
  }

  async list(filter: Partial<HeldFilter> = {}): Promise<readonly HeldEvent[]> {
    return (await this.store.list({ group: this.scope.group, ...filter }, { limit: 10_000 })).events
  }

  async names(filter: Partial<HeldFilter> = {}): Promise<readonly string[]> {
    return (await this.list(filter)).map(({ event }) => event)
  }

  redrive(filter: Partial<HeldFilter> = {}): Promise<number> {
    return this.store.redrive({ group: this.scope.group, ...filter })
  }

  discard(filter: Partial<HeldFilter> = {}): Promise<number> {
    return this.store.discard({ group: this.scope.group, ...filter })
  }

  async isParked(key = 'k'): Promise<boolean> {
    const [answer] = await this.store.lookup(this.scope, [{ event: `nothing ${randomUUID()}`, key }])
    return answer === 'parked'
  }
}
