import type { Claim, ClaimAnswer, ClaimRequest, IdempotencyStore } from '../idempotency/idempotency-store.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import type { Persistence } from './persist.ts'
import { RoundTrips } from './round-trips.ts'
import type { Work } from './work.ts'

export interface ClaimBookOptions extends Persistence {
  readonly store: IdempotencyStore
  readonly leaseMs: number
  /** The claim of something that waits or runs went to another owner. */
  readonly onLost: (work: Work) => void
}

/**
 * The claims of one subscription: groups what is asked of the store, and prolongs the lease of everything that waits or
 * runs. Answers are undefined only when closing gave up on a store that is out of reach.
 */
export class ClaimBook {
  readonly #options: ClaimBookOptions
  readonly #keeper: LeaseKeeper<Work>
  readonly #claims: RoundTrips<ClaimRequest, ClaimAnswer>
  readonly #completions: RoundTrips<Work, boolean>
  readonly #holds: RoundTrips<Work, boolean>
  readonly #releases: RoundTrips<Claim, true>

  constructor(options: ClaimBookOptions) {
    this.#options = options
    const { store } = options
    this.#keeper = new LeaseKeeper({
      ...options,
      extend: (works, leaseMs) =>
        store.extend(
          works.map(work => work.claim),
          leaseMs,
        ),
    })
    this.#claims = new RoundTrips({ ...options, call: requests => store.claim(requests) })
    this.#completions = this.#endings(claims => store.complete(claims))
    this.#holds = this.#endings(claims => store.hold(claims))
    this.#releases = new RoundTrips({
      ...options,
      call: async claims => {
        await store.release(claims)
        return claims.map(() => true as const)
      },
    })
  }

  /** All in one round trip, by index. */
  claimAll(works: readonly Work[]): Promise<readonly (ClaimAnswer | undefined)[]> {
    return this.#claims.askAll(works.map(work => this.#request(work, 'live')))
  }

  claimHeld(work: Work): Promise<ClaimAnswer | undefined> {
    return this.#claims.ask(this.#request(work, 'held'))
  }

  /** It is ours: from now on its lease is prolonged, until `complete`, `hold` or `release`. */
  keep(work: Work, fence: number): void {
    work.fence = fence
    this.#keeper.keep(work)
  }

  complete(work: Work): Promise<boolean | undefined> {
    return this.#completions.ask(work)
  }

  /** The same without a promise. */
  tellComplete(work: Work, onAnswer: (isOurs: boolean | undefined) => void): void {
    this.#completions.tell(work, onAnswer)
  }

  hold(work: Work): Promise<boolean | undefined> {
    return this.#holds.ask(work)
  }

  async release(work: Work): Promise<void> {
    this.#keeper.forget(work)
    await this.#releases.ask(work.claim)
  }

  /** Resolves when the store has everything back that was released. */
  released(): Promise<void> {
    return this.#releases.idle()
  }

  /**
   * Now, before something is written that must not come from a zombie; what is lost is said to be so before this resolves.
   * Rejects when the store is out of reach.
   */
  async extendNow(works: readonly Work[]): Promise<readonly boolean[]> {
    const { store, leaseMs, onLost } = this.#options
    const extended = await store.extend(
      works.map(work => work.claim),
      leaseMs,
    )
    for (const [index, work] of works.entries()) {
      if (extended[index] === false && this.#keeper.forget(work)) onLost(work)
    }
    return extended
  }

  /** Whatever the answer, its lease is no longer ours to prolong. */
  #endings(call: (claims: readonly Claim[]) => Promise<readonly boolean[]>): RoundTrips<Work, boolean> {
    return new RoundTrips<Work, boolean>({
      ...this.#options,
      call: async works => {
        const answers = await call(works.map(work => work.claim))
        for (const work of works) this.#keeper.forget(work)
        return answers
      },
    })
  }

  #request(work: Work, from: 'live' | 'held'): ClaimRequest {
    return { identity: work.identity, token: work.token, leaseMs: this.#options.leaseMs, from }
  }
}
