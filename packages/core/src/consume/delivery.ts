import type { Incoming, Partition, Settlement } from '../driver/driver-contract.ts'

/** What one subscription wants of the delivery. */
export type Verdict =
  /** Completed or held; `durable` as in Settlement. */
  | { readonly is: 'over'; readonly durable: boolean }
  | { readonly is: 'again'; readonly afterMs: number; readonly tried: boolean }

/** One message handed over, until each subscription of the group on it has said what it wants. */
export class Delivery {
  readonly incoming: Incoming
  readonly #settle: (delivery: Delivery, settlement: Settlement) => void
  #undecided: number
  #durable = true
  #again: { afterMs: number; tried: boolean } | undefined

  constructor(incoming: Incoming, subscriptions: number, settle: (delivery: Delivery, settlement: Settlement) => void) {
    this.incoming = incoming
    this.#undecided = subscriptions
    this.#settle = settle
  }

  get partition(): Partition {
    return this.incoming.partition
  }

  decide(verdict: Verdict): void {
    this.#undecided--
    if (verdict.is === 'over') this.#durable &&= verdict.durable
    else {
      this.#again = {
        afterMs: Math.min(this.#again?.afterMs ?? Infinity, verdict.afterMs),
        tried: verdict.tried || (this.#again?.tried ?? false),
      }
    }
    if (this.#undecided > 0) return
    this.#settle(
      this,
      this.#again === undefined ? { is: 'acknowledge', durable: this.#durable } : { is: 'redeliver', ...this.#again },
    )
  }
}
