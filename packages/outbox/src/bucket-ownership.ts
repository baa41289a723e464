import type { Clock } from '@mekong/core'
import { wait } from '@mekong/core/driver'
import type { FencedLease, FencedLeases } from '@mekong/postgres'
import { Bucket } from './bucket.ts'
import type { Refused } from './fence.ts'
import type { RelayObserver } from './relay-signal.ts'

export interface BucketOwnershipOptions {
  readonly leases: FencedLeases
  readonly owner: string
  readonly buckets: number
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly tuning: { readonly leaseMs: number; readonly leaseMarginMs: number; readonly heartbeatMs: number }
  /** What has to be known of buckets before they are taken. If it rejects, they are taken with a later heartbeat. */
  readonly load: (buckets: readonly Bucket[]) => Promise<void>
  /** Ours now; nothing of it is in hand yet. */
  readonly taken: (bucket: Bucket) => void
  readonly left: (bucket: Bucket) => void
  /** Whatever waited for a lease may go on. */
  readonly prolonged: () => void
  /** Undefined: the leases are prolonged. Otherwise why they could not be. */
  readonly health: (error: unknown) => void
}

/** Which buckets are this relay's: shared out over all relays by leases, each with a fence. */
export interface BucketOwnership {
  readonly buckets: ReadonlyMap<number, Bucket>
  /** Another relay has taken them over: it was told so by a write that was refused. */
  lose(buckets: Refused): void
  /** Until aborted. */
  run(signal: AbortSignal): Promise<void>
  /** Hands everything on, when what was started is marked or `timeoutMs` have passed. */
  leave(timeoutMs: number): Promise<void>
}

const RETRY_MS = 250

export function createBucketOwnership(options: BucketOwnershipOptions): BucketOwnership {
  return new Ownership(options)
}

class Ownership implements BucketOwnership {
  readonly #options: BucketOwnershipOptions
  readonly #buckets = new Map<number, Bucket>()
  #safeUntil = -Infinity

  constructor(options: BucketOwnershipOptions) {
    this.#options = options
  }

  get buckets(): ReadonlyMap<number, Bucket> {
    return this.#buckets
  }

  lose(buckets: Refused): void {
    for (const bucket of buckets) this.#drop(bucket, 'lost')
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, tuning } = this.#options
    while (!signal.aborted) {
      try {
        await this.#beat(signal)
        await wait(clock, tuning.heartbeatMs, signal)
      } catch (error) {
        this.#failed(error)
        await wait(clock, RETRY_MS, signal)
      }
    }
  }

  async leave(timeoutMs: number): Promise<void> {
    const { clock, leases, owner } = this.#options
    const open = Array.from(this.#buckets.values())
    const expired = new AbortController()
    await Promise.race([
      Promise.all(open.map(bucket => bucket.drain())).then(() => expired.abort()),
      wait(clock, timeoutMs, expired.signal),
    ])
    for (const bucket of open) this.#drop(bucket, 'released')
    try {
      await leases.leave(owner)
    } catch (error) {
      // They expire by themselves.
      this.#failed(error)
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clock, leases, owner, buckets, tuning } = this.#options
    const { leaseMs, leaseMarginMs } = tuning
    const startedAt = clock.monotonic()
    const names = Array.from({ length: buckets }, (_, bucket) => String(bucket))
    const { held, surplus } = await leases.balance({ names, owner, leaseMs })
    this.#safeUntil = startedAt + leaseMs - leaseMarginMs
    this.#dropMissing(held)
    if (!signal.aborted) await this.#take(held.filter(lease => !surplus.includes(lease)))
    for (const lease of surplus) void this.#handOn(lease)
    this.#options.health(undefined)
    this.#options.prolonged()
  }

  #dropMissing(held: readonly FencedLease[]): void {
    const fences = new Map(held.map(({ name, fence }) => [Number(name), fence]))
    for (const bucket of this.#buckets.values()) {
      if (fences.get(bucket.number) !== bucket.fence) this.#drop(bucket, 'lost')
    }
  }

  async #take(held: readonly FencedLease[]): Promise<void> {
    const { load, taken, observe } = this.#options
    const safeUntil = (): number => this.#safeUntil
    const buckets = held
      .filter(({ name }) => !this.#buckets.has(Number(name)))
      .map(({ name, fence }) => new Bucket(Number(name), { fence, safeUntil }))
    if (buckets.length === 0) return
    await load(buckets)
    for (const bucket of buckets) {
      this.#buckets.set(bucket.number, bucket)
      taken(bucket)
      observe({ is: 'bucket-taken', bucket: bucket.number, fence: bucket.fence })
    }
  }

  async #handOn(lease: FencedLease): Promise<void> {
    const bucket = this.#buckets.get(Number(lease.name))
    if (bucket?.isOpen === false) return
    await bucket?.drain()
    if (bucket?.isClosed === true) return
    if (bucket !== undefined) this.#drop(bucket, 'released')
    try {
      await this.#options.leases.release([lease])
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    this.#options.observe({ is: 'database-failed', during: 'lease', error })
    this.#options.health(error)
  }

  #drop(bucket: Bucket, how: 'lost' | 'released'): void {
    if (this.#buckets.get(bucket.number) !== bucket) return
    this.#buckets.delete(bucket.number)
    bucket.close()
    this.#options.left(bucket)
    this.#options.observe({ is: 'bucket-left', bucket: bucket.number, fence: bucket.fence, how })
  }
}
