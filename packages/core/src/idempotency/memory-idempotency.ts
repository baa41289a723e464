import { systemClock, type Clock } from '../clock.ts'
import { requirePositiveInteger } from '../consume/consume-tuning.ts'
import { MekongError } from '../error.ts'
import { AgeList } from '../age-list.ts'
import type { Claim, ClaimAnswer, ClaimRequest, IdempotencyStore } from './idempotency-store.ts'

export interface MemoryIdempotencyOptions {
  readonly clock?: Clock | undefined
  /** How long a completed or held identity is remembered. @default 604,800,000 (7 days) */
  readonly retentionMs?: number | undefined
  /**
   * Identities that are remembered at most. Beyond it the oldest completed or held ones are forgotten before their time; when
   * all are in progress, claims reject with STORE_UNAVAILABLE. @default 500,000
   */
  readonly maxEntries?: number | undefined
}

/** Remembers what was handled in this process, and forgets it with the process. */
export function memoryIdempotency(options: MemoryIdempotencyOptions = {}): IdempotencyStore {
  const { clock = systemClock, retentionMs = 604_800_000, maxEntries = 500_000 } = options
  requirePositiveInteger('memoryIdempotency: retentionMs', retentionMs)
  requirePositiveInteger('memoryIdempotency: maxEntries', maxEntries)
  return new MemoryIdempotency(clock, retentionMs, maxEntries)
}

/** What a claim found, and what its release therefore restores. */
type Before = 'absent' | 'expired' | 'held'

/** One identity. A lease that expired stays: whoever claims next must hear that it is a takeover. */
class Remembered {
  readonly event: string
  /** Of its scope. */
  readonly siblings: Map<string, Remembered>
  is: 'in progress' | 'completed' | 'held' = 'in progress'
  token = ''
  fence = 0
  before: Before = 'absent'
  /** When its lease runs out, or when it ended; by the monotonic clock. */
  at = 0
  older: this | undefined
  younger: this | undefined

  constructor(event: string, siblings: Map<string, Remembered>) {
    this.event = event
    this.siblings = siblings
  }
}

class MemoryIdempotency implements IdempotencyStore {
  readonly durable = false
  readonly retentionMs: number
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #scopes = new Map<string, Map<string, Remembered>>()
  #size = 0
  /** In progress, and completed or held: each in the order of the last change. */
  readonly #claimed = new AgeList<Remembered>()
  readonly #ended = new AgeList<Remembered>()
  #lastFence: number

  constructor(clock: Clock, retentionMs: number, maxEntries: number) {
    this.#clock = clock
    this.retentionMs = retentionMs
    this.#maxEntries = maxEntries
    // One counter for all identities: a fence grows also where the identity was forgotten. It begins above those of an
    // earlier process, whose records a durable hold store may still keep.
    this.#lastFence = Math.floor(clock.now()) * 1000
  }

  async claim(requests: readonly ClaimRequest[]): Promise<readonly ClaimAnswer[]> {
    const now = this.#clock.monotonic()
    this.#forgetOld(now)
    return requests.map(request => this.#claim(request, now))
  }

  async extend(claims: readonly Claim[], leaseMs: number): Promise<readonly boolean[]> {
    const leasedUntil = this.#clock.monotonic() + leaseMs
    return claims.map(claim => {
      const one = this.#find(claim)
      if (one === undefined) return false
      if (one.is === 'in progress') this.#change(one, 'in progress', leasedUntil)
      return true
    })
  }

  async complete(claims: readonly Claim[]): Promise<readonly boolean[]> {
    const now = this.#clock.monotonic()
    return claims.map(claim => this.#end(claim, 'completed', now))
  }

  async hold(claims: readonly Claim[]): Promise<readonly boolean[]> {
    const now = this.#clock.monotonic()
    return claims.map(claim => this.#end(claim, 'held', now))
  }

  /** Restores what the claim found: held stays held, and a takeover that was given back is one for the next as well. */
  async release(claims: readonly Claim[]): Promise<void> {
    const now = this.#clock.monotonic()
    for (const claim of claims) {
      const one = this.#find(claim)
      if (one?.is !== 'in progress') continue
      if (one.before === 'absent') this.#forget(one)
      else this.#restore(one, now)
    }
  }

  /** Under a fence that nobody has, so that the claim which was given back can do nothing more. */
  #restore(one: Remembered, now: number): void {
    one.fence = ++this.#lastFence
    one.token = ''
    this.#change(one, one.before === 'held' ? 'held' : 'in progress', now)
  }

  #claim({ identity, token, leaseMs, from }: ClaimRequest, now: number): ClaimAnswer {
    const siblings = this.#scope(identity.scope)
    let one = siblings.get(identity.event)
    if (one === undefined) {
      this.#makeRoom(now)
      one = new Remembered(identity.event, siblings)
      siblings.set(identity.event, one)
      this.#size++
      this.#claimed.add(one)
    } else if (one.is === 'completed') return { is: 'done' }
    else if (one.is === 'held') {
      if (from === 'live') return { is: 'held' }
      one.before = 'held'
    } else if (one.token !== token) {
      if (one.at > now) return { is: 'busy', forMs: one.at - now }
      one.before = 'expired'
    }
    // It finds its own token where an answer was lost.
    if (one.token !== token || one.is !== 'in progress') one.fence = ++this.#lastFence
    one.token = token
    this.#change(one, 'in progress', now + leaseMs)
    return { is: 'mine', fence: one.fence, takeover: one.before === 'expired' }
  }

  #end(claim: Claim, is: 'completed' | 'held', now: number): boolean {
    const one = this.#find(claim)
    if (one === undefined) return false
    if (one.is !== 'in progress') return one.is === is
    this.#change(one, is, now)
    return true
  }

  /** Undefined: the fence of the claim is not the last one. */
  #find({ identity, fence }: Claim): Remembered | undefined {
    const one = this.#scopes.get(identity.scope)?.get(identity.event)
    return one?.fence === fence ? one : undefined
  }

  #scope(name: string): Map<string, Remembered> {
    let siblings = this.#scopes.get(name)
    if (siblings === undefined) this.#scopes.set(name, (siblings = new Map()))
    return siblings
  }

  #change(one: Remembered, is: Remembered['is'], at: number): void {
    this.#listOf(one).remove(one)
    one.is = is
    one.at = at
    this.#listOf(one).add(one)
  }

  #listOf(one: Remembered): AgeList<Remembered> {
    return one.is === 'in progress' ? this.#claimed : this.#ended
  }

  #forget(one: Remembered): void {
    this.#listOf(one).remove(one)
    one.siblings.delete(one.event)
    this.#size--
  }

  #forgetOld(now: number): void {
    for (const list of [this.#claimed, this.#ended]) {
      for (let { oldest } = list; oldest !== undefined && oldest.at + this.retentionMs <= now; { oldest } = list) {
        this.#forget(oldest)
      }
    }
  }

  #makeRoom(now: number): void {
    if (this.#size < this.#maxEntries) return
    const { oldest } = this.#ended
    if (oldest !== undefined) return this.#forget(oldest)
    const { oldest: claimed } = this.#claimed
    if (claimed !== undefined && claimed.at <= now) return this.#forget(claimed)
    throw new MekongError('STORE_UNAVAILABLE', `memoryIdempotency: ${this.#maxEntries} identities are in progress`, {
      retryable: true,
    })
  }
}
