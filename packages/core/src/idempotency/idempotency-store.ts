/** Names one event for one subscription of one group (and one replay run); a store may hash it. */
export interface Identity {
  /** Group and subscription, and the run of a replay. */
  readonly scope: string
  /** The event's source and id, or what the broker calls the message. */
  readonly event: string
}

/**
 * Remembers what each subscription has handled. A state machine for each identity:
 * absent → in progress (a lease with an owner's token and a fence) → completed | held; released and expired leases go
 * back to absent. Every step out of `in progress` carries the fence, and a lower one is refused.
 *
 * Each call is one round trip for everything in it, answers by index, has its own deadline and rejects when the store is
 * out of reach: the deliveries then wait, nothing is lost and nothing is done twice because of it.
 */
export interface IdempotencyStore {
  /** Whether what it remembers survives this process. */
  readonly durable: boolean
  /** How long a completed identity is remembered. */
  readonly retentionMs: number
  /** A claim that finds its own token is `mine`: a reply that was lost must not look like a duplicate. */
  claim(requests: readonly ClaimRequest[]): Promise<readonly ClaimAnswer[]>
  /** Prolongs leases, also of lanes that wait. False: lost to another owner. */
  extend(claims: readonly Claim[], leaseMs: number): Promise<readonly boolean[]>
  /** False: fenced, somebody took over. Completing twice with the same fence is true. */
  complete(claims: readonly Claim[]): Promise<readonly boolean[]>
  /** The event is in the hold store now. False: fenced. */
  hold(claims: readonly Claim[]): Promise<readonly boolean[]>
  /** Gives the claim back: nothing happened. Ignored when fenced. */
  release(claims: readonly Claim[]): Promise<void>
}

export interface ClaimRequest {
  readonly identity: Identity
  /** Unique for each delivery or redrive that asks. */
  readonly token: string
  readonly leaseMs: number
  /** `held`: a redrive under the key's lease, the only way from held back to in progress. */
  readonly from: 'live' | 'held'
}

export type ClaimAnswer =
  /** `takeover`: an expired lease was taken; its owner may have held the event before it died, so look there first. */
  | { readonly is: 'mine'; readonly fence: number; readonly takeover: boolean }
  | { readonly is: 'done' }
  | { readonly is: 'held' }
  | { readonly is: 'busy'; readonly forMs: number }

export interface Claim {
  readonly identity: Identity
  readonly token: string
  readonly fence: number
}

/** One string for maps and logs. */
export function identityText(identity: Identity): string {
  return `${identity.scope} ${identity.event}`
}
