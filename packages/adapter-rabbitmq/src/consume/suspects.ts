import type { Delivery } from './delivery.ts'

/** What came back more often than this may be what ends its consumers. */
const calmReturns = 5

/**
 * What ends its process takes everything that the process has in hand back with it, and the broker counts that for all of
 * it. So a suspect is handed over alone, with what is prefetched behind it waiting: who comes back again is to blame. A
 * smaller prefetch would not do: RabbitMQ puts what comes back behind what came back before, which breaks the order.
 */
export class Suspects {
  #limit: number
  readonly #limitStep: number
  #inHand: Delivery | undefined

  constructor(deliveryLimit: number) {
    this.#limit = deliveryLimit
    this.#limitStep = deliveryLimit
  }

  /** How many of these may be handed over now. */
  admit(waiting: readonly Delivery[], inHand: number): number {
    if (this.#inHand?.channel.isOpen === true) return 0
    const first = waiting.findIndex(({ returns }) => returns > calmReturns)
    if (first !== 0) return first === -1 ? waiting.length : first
    if (inHand > 0) return 0
    this.#inHand = waiting[0]
    return 1
  }

  /** True for one of those that came back together: the others have as many returns, and another chance. */
  isCondemned({ returns }: Delivery): boolean {
    if (returns < this.#limit) return false
    this.#limit = returns + this.#limitStep
    return true
  }

  /** True when others may wait for it. */
  settled(delivery: Delivery): boolean {
    if (this.#inHand === delivery) this.#inHand = undefined
    return this.#inHand === undefined
  }
}
