import type { Identity } from '../idempotency/idempotency-store.ts'

/** Whose events are held: one subscription of one group. */
export interface HoldScope {
  readonly group: string
  readonly subscription: string
}

/** dead: needs a person. delayed: due at a time. parked: waits behind a held event of its key. */
export type HeldState = 'dead' | 'delayed' | 'parked'

/** An event that a group took from the broker and keeps. Keyed by scope and event. */
export interface HeldEvent {
  readonly scope: HoldScope
  /** The event part of its identity. */
  readonly event: string
  /** The key whose order is kept, or undefined on a subscription without order: such an event is a lane of its own. */
  readonly key: string | undefined
  readonly state: HeldState
  /** Milliseconds since the epoch; of a delayed event only. */
  readonly dueAt: number | undefined
  readonly message: HeldMessage
  /** Runs of the handler so far. */
  readonly attempts: number
  readonly reason: HeldReason
  readonly heldAt: number
  /** Of the claim under which it was held; a lower one never overwrites a higher. */
  readonly fence: number
}

/** The original bytes, so that a redrive sees what the broker gave. */
export interface HeldMessage {
  readonly topic: string
  readonly partition: string
  readonly position: string
  readonly messageId: string | undefined
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface HeldReason {
  /** A Mekong error code, or the name of the handler's error. */
  readonly code: string
  /** The error's message, cut to 1,000 characters. Never the payload. */
  readonly message: string
}

export interface HoldLimits {
  /** Of one scope. */
  readonly maxParkedKeys: number
  readonly maxParkedPerKey: number
}

/** A right to run the held events of one lane, in order, until it expires or is released. */
export interface HoldLease {
  readonly scope: HoldScope
  /** The key, or for an event without order its own name. */
  readonly lane: string
  readonly ordered: boolean
  readonly owner: string
  readonly fence: number
  /** How many other owners' leases ran out in a row before this one, with the same head at work or about to be. */
  readonly takeovers: number
}

/** A partition while one owner has it. */
export interface PartitionMark {
  readonly group: string
  readonly topic: string
  readonly partition: string
  /** Names the process. */
  readonly owner: string
  /** Names this assignment: what is said for an earlier one comes too late. */
  readonly token: string
}

/** A handler that was started for an event and has not ended. */
export interface UnendedStart {
  readonly identity: Identity
  /** How often it was started. */
  readonly starts: number
}

/**
 * Keeps held events in lanes: one per parked key, in order; one per event without order. A lane is due when its head is
 * (a delayed head at its time, a parked head at once, a dead head after a redrive). Each method is atomic and safe to
 * repeat, and rejects when the store is out of reach.
 */
export interface HoldStore {
  /** Whether held events survive this process. */
  readonly durable: boolean

  /**
   * Keeps a dead or delayed event of a running lane, ahead of everything parked behind it, and parks its key.
   * `fenced`: a record of this identity with a higher fence is there. `full`: a limit is reached, nothing was written.
   */
  hold(event: HeldEvent, limits: HoldLimits): Promise<'held' | 'fenced' | 'full'>
  /** Puts each event at the end of its key's lane if the key is parked at that moment. By index, in order. */
  appendIfParked(
    events: readonly HeldEvent[],
    limits: HoldLimits,
  ): Promise<readonly ('appended' | 'not-parked' | 'full')[]>
  /**
   * Parks events of one key, in order, under a lease that the running lane keeps; the lane's own events that fail later
   * are held ahead of them. Undefined: a limit is reached or the key is parked already, nothing was written.
   */
  spill(events: readonly HeldEvent[], request: SpillRequest): Promise<HoldLease | undefined>

  /** `held`: this very event is here. `parked`: its key is. By index. */
  lookup(scope: HoldScope, queries: readonly HoldQuery[]): Promise<readonly ('held' | 'parked' | 'free')[]>
  /** Loads a cache when a partition is assigned. */
  parkedKeys(scope: HoldScope): Promise<readonly string[]>

  /** Leases lanes that are due, oldest first. An expired lease is taken over with a higher fence. */
  leaseDue(scope: HoldScope, request: LeaseRequest): Promise<readonly HoldLease[]>
  /** False: lost. */
  extend(leases: readonly HoldLease[], leaseMs: number): Promise<readonly boolean[]>
  /** The first event of the lane if it is due; undefined when it is not, or the lease is lost. */
  head(lease: HoldLease): Promise<HeldEvent | undefined>
  /** The head is completed: removes it. `unparked`: it was the last one and the key is free, in the same step. */
  finish(lease: HoldLease, event: string): Promise<'more' | 'unparked' | 'lost'>
  /**
   * The head is dead and nothing shall wait for it: it becomes a lane of its own, without a key, and the lane goes on.
   * Answers as `finish`. `lost`: nothing was written.
   */
  setAside(lease: HoldLease, event: HeldEvent): Promise<'more' | 'unparked' | 'lost'>
  /** The head failed again: rewrites it in its place as dead or delayed, and ends the lease. False: the lease is lost. */
  keep(lease: HoldLease, event: HeldEvent): Promise<boolean>
  /** Ends the lease; what is due stays due. An empty lane is removed. */
  release(lease: HoldLease): Promise<void>
  /** When the next lane of the scope falls due; undefined: nothing waits for a time. */
  nextDueAt(scope: HoldScope): Promise<number | undefined>

  /** Oldest first. */
  list(filter: HeldFilter, page: { readonly after?: string | undefined; readonly limit: number }): Promise<HeldPage>
  /** Makes matching dead and delayed heads due now. Resolves with how many events will run. */
  redrive(filter: HeldFilter): Promise<number>
  /** Removes matching events; what is parked behind a removed head becomes due. Resolves with how many. */
  discard(filter: HeldFilter): Promise<number>

  /**
   * Marks a partition as worked on, for brokers that do not count deliveries. Undefined: the owner before closed it, or it
   * is this owner's anyhow with nothing on record. Otherwise an owner has ended without a word: with what it had recorded.
   */
  openPartition(mark: PartitionMark): Promise<readonly UnendedStart[] | undefined>
  /** Replaces what is on record; undefined: nothing, and a next assignment to this owner is clean. False: the mark is not his. */
  recordStarts(mark: PartitionMark, starts: readonly UnendedStart[] | undefined): Promise<boolean>
  /** Removes the mark, unless it is of another owner or assignment by now. */
  closePartition(mark: PartitionMark): Promise<void>
}

export interface HoldQuery {
  readonly event: string
  readonly key: string | undefined
}

export interface LeaseRequest {
  readonly owner: string
  readonly leaseMs: number
  readonly limit: number
}

export interface SpillRequest {
  readonly owner: string
  readonly leaseMs: number
  readonly limits: HoldLimits
}

export interface HeldFilter {
  readonly group: string
  readonly subscription?: string | undefined
  readonly key?: string | undefined
  readonly event?: string | undefined
  readonly state?: HeldState | undefined
}

export interface HeldPage {
  readonly events: readonly HeldEvent[]
  /** Pass as `after` for the next page; undefined on the last. */
  readonly next: string | undefined
}
