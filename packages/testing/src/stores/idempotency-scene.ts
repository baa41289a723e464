import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Claim, ClaimAnswer, ClaimRequest, IdempotencyStore, Identity } from '@mekong/core/driver'
import { LONG_LEASE_MS, type StoreHarness } from './store-case.ts'

/** One case with a scope of its own, and short words for what it asks of the store. */
export class IdempotencyScene {
  readonly store: IdempotencyStore
  readonly harness: StoreHarness<IdempotencyStore>
  readonly scope: string = `conformance/${randomUUID()}`
  #tokens = 0

  constructor(store: IdempotencyStore, harness: StoreHarness<IdempotencyStore>) {
    this.store = store
    this.harness = harness
  }

  identity(event: string): Identity {
    return { scope: this.scope, event }
  }

  request(event: string, options: Partial<ClaimRequest> = {}): ClaimRequest {
    const token = `${this.scope} ${++this.#tokens}`
    return { identity: this.identity(event), token, leaseMs: LONG_LEASE_MS, from: 'live', ...options }
  }

  async ask(event: string, options: Partial<ClaimRequest> = {}): Promise<ClaimAnswer> {
    const answers = await this.store.claim([this.request(event, options)])
    assert.equal(answers.length, 1)
    return answers[0]!
  }

  /** Claims, and fails unless the claim is granted. */
  async mine(event: string, options: Partial<ClaimRequest> = {}): Promise<Claim & { readonly takeover: boolean }> {
    const request = this.request(event, options)
    const [answer] = await this.store.claim([request])
    assert.equal(answer?.is, 'mine', `the claim of ${event} is ${answer?.is}`)
    return { identity: request.identity, token: request.token, fence: answer.fence, takeover: answer.takeover }
  }

  /** Claims with a lease that runs out before this resolves. */
  async expired(event: string, options: Partial<ClaimRequest> = {}): Promise<Claim> {
    const claim = await this.mine(event, { leaseMs: this.harness.shortLeaseMs, ...options })
    await this.harness.passTime(this.harness.shortLeaseMs + 1)
    return claim
  }

  async held(event: string): Promise<Claim> {
    const claim = await this.mine(event)
    assert.deepEqual(await this.store.hold([claim]), [true])
    return claim
  }
}
