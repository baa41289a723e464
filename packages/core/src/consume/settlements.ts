import type { Consumer, Incoming, Settlement } from '../driver/driver-contract.ts'
import type { Observer } from '../signal.ts'

/** Hands settlements to the driver together: those of one turn of the event loop at once. */
export class Settlements {
  readonly #tell: (what: (consumer: Consumer) => void) => void
  readonly #observe: Observer | undefined
  #durable: Incoming[] = []
  #volatile: Incoming[] = []
  #isScheduled = false

  constructor(tell: (what: (consumer: Consumer) => void) => void, observe: Observer | undefined) {
    this.#tell = tell
    this.#observe = observe
  }

  add(message: Incoming, settlement: Settlement): void {
    if (settlement.is === 'redeliver') return this.#settle([message], settlement)
    if (settlement.durable) this.#durable.push(message)
    else this.#volatile.push(message)
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => this.flush())
  }

  flush(): void {
    this.#isScheduled = false
    const [durable, unsafe] = [this.#durable, this.#volatile]
    this.#durable = []
    this.#volatile = []
    this.#settle(durable, { is: 'acknowledge', durable: true })
    this.#settle(unsafe, { is: 'acknowledge', durable: false })
  }

  #settle(messages: readonly Incoming[], settlement: Settlement): void {
    const [first] = messages
    if (first === undefined) return
    this.#tell(consumer => consumer.settle(messages, settlement))
    this.#observe?.({ is: 'settled', topic: first.partition.topic, messages: messages.length, as: settlement.is })
  }
}
