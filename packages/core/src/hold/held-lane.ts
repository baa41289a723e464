import type { HeldEvent, HoldLease, HoldScope } from './hold-store.ts'

export interface NewRecord {
  readonly number: number
  readonly event: HeldEvent
  readonly storedAt: number
}

/** A held event in its lane. */
export class HeldRecord {
  readonly lane: HeldLane
  /** Grows with every record: oldest first. */
  readonly number: number
  /** By the clock of the store; `heldAt` is by that of whoever held it. */
  readonly #storedAt: number
  /** Held by the running lane, ahead of what was parked behind it. */
  readonly isAhead: boolean
  event: HeldEvent
  /** A dead event after a redrive, at the time of it. */
  #redrivenAt: number | undefined

  constructor(lane: HeldLane, { number, event, storedAt }: NewRecord, isAhead: boolean) {
    this.lane = lane
    this.number = number
    this.event = event
    this.#storedAt = storedAt
    this.isAhead = isAhead
  }

  /** When it falls due as the head of its lane; undefined for a dead one that nobody redrives. */
  get dueAt(): number | undefined {
    if (this.#redrivenAt !== undefined) return this.#redrivenAt
    return this.event.state === 'parked' ? this.#storedAt : this.event.dueAt
  }

  /** A parked head is due at once, whatever the clock does. */
  isDue(now: number): boolean {
    return this.event.state === 'parked' || (this.dueAt ?? Number.POSITIVE_INFINITY) <= now
  }

  makeDue(now: number): void {
    this.#redrivenAt = now
  }

  /** The same event, as it is now, in its place: one that was set aside has no key any more. */
  rewrite(event: HeldEvent): void {
    this.event = { ...event, key: this.event.key }
    this.#redrivenAt = undefined
  }
}

/** The held events of one key in order, or one event without order, and who has the right to run them. */
export class HeldLane {
  readonly scope: HoldScope
  readonly name: string
  readonly ordered: boolean
  readonly #records: HeldRecord[] = []
  #last: HoldLease | undefined
  #leasedUntil: number | undefined
  #takeovers = 0

  constructor(scope: HoldScope, name: string, ordered: boolean) {
    this.scope = scope
    this.name = name
    this.ordered = ordered
  }

  get length(): number {
    return this.#records.length
  }

  get head(): HeldRecord | undefined {
    return this.#records[0]
  }

  /** The lease that runs now, expired or not. */
  get lease(): HoldLease | undefined {
    return this.#leasedUntil === undefined ? undefined : this.#last
  }

  insert(added: NewRecord, place: 'ahead' | 'behind'): HeldRecord {
    const record = new HeldRecord(this, added, place === 'ahead')
    const firstBehind = place === 'ahead' ? this.#records.findIndex(one => !one.isAhead) : -1
    this.#records.splice(firstBehind < 0 ? this.#records.length : firstBehind, 0, record)
    return record
  }

  remove(record: HeldRecord): void {
    if (this.head === record) this.#takeovers = 0
    this.#records.splice(this.#records.indexOf(record), 1)
  }

  leaseTo(owner: string, fence: number, until: number): HoldLease {
    if (this.lease === undefined) this.#takeovers = 0
    else if (this.lease.owner !== owner) this.#takeovers++
    const takeovers = this.#takeovers
    this.#last = { scope: this.scope, lane: this.name, ordered: this.ordered, owner, fence, takeovers }
    this.#leasedUntil = until
    return this.#last
  }

  wasLastLeasedBy({ owner, fence }: HoldLease): boolean {
    return this.#last?.owner === owner && this.#last.fence === fence
  }

  prolong(until: number): void {
    this.#leasedUntil = until
  }

  endLease(): void {
    this.#leasedUntil = undefined
  }

  isLeased(now: number): boolean {
    return this.leasedForMs(now) > 0
  }

  leasedForMs(now: number): number {
    return Math.max(0, (this.#leasedUntil ?? now) - now)
  }
}
