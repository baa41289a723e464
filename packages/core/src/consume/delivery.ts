import type { Incoming, Partition, Settlement } from '../driver/driver-contract.ts'
import type { Envelope } from './work.ts'

/** What one subscription wants of the delivery. */
export type Verdict =
  /** Completed or held; `durable` as in Settlement. */
  | { readonly is: 'over'; readonly durable: boolean }
  | { readonly is: 'again'; readonly afterMs: number; readonly tried: boolean }

/** Hears once what becomes of a delivery at the broker. */
export type Settle = (delivery: Delivery, settlement: Settlement) => void

const acknowledgeDurable: Settlement = { is: 'acknowledge', durable: true }
const acknowledge: Settlement = { is: 'acknowledge', durable: false }

/** One message handed over, with its opened envelope, until each subscription of the group on it has said what it wants. */
export class Delivery {
  readonly incoming: Incoming
  readonly envelope: Envelope
  readonly #settle: Settle
  #undecided: number
  #durable = true
  #again: { afterMs: number; tried: boolean } | undefined

  constructor(incoming: Incoming, envelope: Envelope, subscriptions: number, settle: Settle) {
    this.incoming = incoming
    this.envelope = envelope
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
    const over = this.#durable ? acknowledgeDurable : acknowledge
    this.#settle(this, this.#again === undefined ? over : { is: 'redeliver', ...this.#again })
  }
}
