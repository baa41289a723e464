import type { Channel, Message } from 'amqplib'
import type { Clock } from '@mekong/core/driver'
import type { Delivery } from './delivery.ts'

/** Acknowledgements travel together: those of so long, or so many of them. */
const flushAfterMs = 5
const flushAfterMessages = 64

/**
 * What one channel has delivered and nobody has settled. A contiguous beginning is acknowledged by one frame, everything
 * behind an unsettled message by one each: so a slow message withholds nothing.
 */
export class ReaderChannel {
  readonly #channel: Channel
  readonly #clock: Clock
  /** Delivery tags grow, so the first entry is the oldest. */
  readonly #unsettled = new Map<number, Delivery>()
  /** Settled, and the broker does not know it. */
  #acknowledged: number[] = []
  #cancelFlush: (() => void) | undefined
  #isOpen = true

  constructor(channel: Channel, clock: Clock) {
    this.#channel = channel
    this.#clock = clock
    channel.on('close', () => {
      this.#isOpen = false
      this.#cancelFlush?.()
    })
  }

  /** Whether what is settled still reaches the broker. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  get unsettled(): number {
    return this.#unsettled.size
  }

  get first(): Delivery | undefined {
    for (const delivery of this.#unsettled.values()) return delivery
    return undefined
  }

  /** Oldest first. */
  all(): Iterable<Delivery> {
    return this.#unsettled.values()
  }

  received(delivery: Delivery): void {
    this.#unsettled.set(delivery.tag, delivery)
  }

  acknowledge(delivery: Delivery): void {
    if (!this.#unsettled.delete(delivery.tag)) return
    if (this.#acknowledged.push(delivery.tag) >= flushAfterMessages) this.flush()
    else this.#cancelFlush ??= this.#clock.after(flushAfterMs, () => this.flush())
  }

  /** At once, to its place in the queue. `counts`: against the delivery limit too, where the broker tells them apart (4.3). */
  giveBack(delivery: Delivery, counts: boolean): void {
    if (!this.#unsettled.delete(delivery.tag) || !this.#isOpen) return
    const { message } = delivery
    this.#send(channel => (counts ? channel.reject(message, true) : channel.nack(message, false, true)))
  }

  flush(): void {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    const tags = this.#acknowledged
    if (tags.length === 0) return
    this.#acknowledged = []
    if (!this.#isOpen) return
    const oldest = this.first?.tag ?? Infinity
    let last = 0
    for (const tag of tags) if (tag < oldest && tag > last) last = tag
    this.#send(channel => {
      if (last > 0) channel.ack(handle(last), true)
      for (const tag of tags) if (tag > oldest) channel.ack(handle(tag))
    })
  }

  /** Everything unsettled goes back. Resolves when the broker has taken what was acknowledged. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.flush()
    // From here on amqplib throws at whoever writes, while the broker's answer is on its way.
    this.#isOpen = false
    await this.#channel.close()
  }

  /** A channel or connection that is ending throws before it says so: the broker takes back what is unsettled. */
  #send(write: (channel: Channel) => void): void {
    try {
      write(this.#channel)
    } catch {
      this.#isOpen = false
    }
  }
}

/** All that amqplib looks at. */
function handle(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message
}
