import { systemClock, type Clock } from '../clock.ts'
import { requirePositiveInteger } from '../consume/consume-tuning.ts'
import { MekongError } from '../error.ts'
import {
  identityText,
  type Claim,
  type ClaimAnswer,
  type ClaimRequest,
  type IdempotencyStore,
} from './idempotency-store.ts'

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

/** A lease that expired stays: whoever claims next must hear that it is a takeover. */
interface InProgress {
  readonly is: 'in progress'
  readonly token: string
  readonly fence: number
  readonly before: Before
  readonly takeover: boolean
  leasedUntil: number
}

interface Ended {
  readonly is: 'completed' | 'held'
  readonly fence: number
  readonly at: number
}

type Entry = InProgress | Ended

class MemoryIdempotency implements IdempotencyStore {
  readonly durable = false
  readonly retentionMs: number
  readonly #clock: Clock
  readonly #maxEntries: number
  /** By identity; what changed last stands last, so that what is forgotten first stands first. */
  readonly #entries = new Map<string, Entry>()
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
    this.#forget(now)
    return requests.map(request => this.#claim(request, now))
  }

  async extend(claims: readonly Claim[], leaseMs: number): Promise<readonly boolean[]> {
    const leasedUntil = this.#clock.monotonic() + leaseMs
    return claims.map(claim => {
      const [name, entry] = this.#find(claim)
      if (entry?.fence !== claim.fence) return false
      if (entry.is === 'in progress') this.#put(name, { ...entry, leasedUntil })
      return true
    })
  }

  async complete(claims: readonly Claim[]): Promise<readonly boolean[]> {
    return claims.map(claim => this.#end(claim, 'completed'))
  }

  async hold(claims: readonly Claim[]): Promise<readonly boolean[]> {
    return claims.map(claim => this.#end(claim, 'held'))
  }

  /** Restores what the claim found: held stays held, and a takeover that was given back is one for the next as well. */
  async release(claims: readonly Claim[]): Promise<void> {
    const now = this.#clock.monotonic()
    for (const claim of claims) {
      const [name, entry] = this.#find(claim)
      if (entry?.is !== 'in progress' || entry.fence !== claim.fence) continue
      if (entry.before === 'absent') this.#entries.delete(name)
      else this.#put(name, this.#restored(entry, now))
    }
  }

  /** Under a fence that nobody has, so that the claim which was given back can do nothing more. */
  #restored(entry: InProgress, now: number): Entry {
    const fence = ++this.#lastFence
    return entry.before === 'held' ? { is: 'held', fence, at: now } : { ...entry, fence, token: '', leasedUntil: now }
  }

  #claim({ identity, token, leaseMs, from }: ClaimRequest, now: number): ClaimAnswer {
    const name = identityText(identity)
    const entry = this.#entries.get(name)
    if (entry?.is === 'completed') return { is: 'done' }
    if (entry?.is === 'held' && from === 'live') return { is: 'held' }
    const leasedUntil = now + leaseMs
    if (entry?.is === 'in progress') {
      if (entry.token === token) {
        this.#put(name, { ...entry, leasedUntil })
        return { is: 'mine', fence: entry.fence, takeover: entry.takeover }
      }
      if (entry.leasedUntil > now) return { is: 'busy', forMs: entry.leasedUntil - now }
    }
    if (entry === undefined) this.#makeRoom(now)
    const before = entry === undefined ? 'absent' : entry.is === 'held' ? 'held' : 'expired'
    const claimed: InProgress = {
      is: 'in progress',
      token,
      fence: ++this.#lastFence,
      before,
      takeover: before === 'expired',
      leasedUntil,
    }
    this.#put(name, claimed)
    return { is: 'mine', fence: claimed.fence, takeover: claimed.takeover }
  }

  #end(claim: Claim, is: Ended['is']): boolean {
    const [name, entry] = this.#find(claim)
    if (entry?.fence !== claim.fence) return false
    if (entry.is !== 'in progress') return entry.is === is
    this.#put(name, { is, fence: claim.fence, at: this.#clock.monotonic() })
    return true
  }

  #find({ identity }: Claim): readonly [name: string, entry: Entry | undefined] {
    const name = identityText(identity)
    return [name, this.#entries.get(name)]
  }

  #put(name: string, entry: Entry): void {
    this.#entries.delete(name)
    this.#entries.set(name, entry)
  }

  #forget(now: number): void {
    for (const [name, entry] of this.#entries) {
      const since = entry.is === 'in progress' ? entry.leasedUntil : entry.at
      if (since + this.retentionMs > now) return
      this.#entries.delete(name)
    }
  }

  #makeRoom(now: number): void {
    if (this.#entries.size < this.#maxEntries) return
    for (const [name, entry] of this.#entries) {
      if (entry.is === 'in progress' && entry.leasedUntil > now) continue
      this.#entries.delete(name)
      return
    }
    throw new MekongError('STORE_UNAVAILABLE', `memoryIdempotency: ${this.#maxEntries} identities are in progress`, {
      retryable: true,
    })
  }
}
