import { wait, type Clock, type Settlement } from '@mekong/core/driver'
import { requeueKey } from '../broker-names.ts'
import { delayEntry } from '../publish/addressing.ts'
import { copyOf } from '../rabbitmq-message.ts'
import type { Delivery } from './delivery.ts'
import type { Requeue } from './requeue.ts'

export interface RedeliveryOptions {
  readonly requeue: Requeue
  readonly clock: Clock
  /** The consumer is closed. */
  readonly signal: AbortSignal
  readonly onTrouble: (error: unknown) => void
}

const againAfterMs = 500

/** Brings single messages back later, where the broker keeps no place for them. */
export class Redelivery {
  readonly #options: RedeliveryOptions

  constructor(options: RedeliveryOptions) {
    this.#options = options
  }

  redeliver(delivery: Delivery, { afterMs, tried }: Extract<Settlement, { is: 'redeliver' }>): void {
    const { kind } = delivery.reader.source
    if (kind === 'stream') void this.#repeat(delivery, afterMs)
    // Elsewhere it would come back before what is in hand of its key.
    else if (kind === 'unordered' && afterMs <= 0) delivery.reader.giveBack(delivery, tried)
    else void this.#sendCopy(delivery, afterMs)
  }

  /** A stream gives nothing twice: the message waits here. */
  async #repeat(delivery: Delivery, afterMs: number): Promise<void> {
    const { clock, signal } = this.#options
    await wait(clock, afterMs, signal)
    if (!signal.aborted) delivery.reader.repeat(delivery)
  }

  /** The original stays unsettled until its copy is stored. */
  async #sendCopy(delivery: Delivery, afterMs: number): Promise<void> {
    const { requeue, clock, signal, onTrouble } = this.#options
    const { message, channel, reader } = delivery
    const copy = copyOf(message, afterMs, delivery.deliveries ?? 1)
    while (channel.isOpen) {
      try {
        await requeue.send(delayEntry, requeueKey(reader.source.queue), message.content, copy)
        onTrouble(undefined)
        return reader.acknowledge(delivery)
      } catch (error) {
        onTrouble(error)
        await wait(clock, againAfterMs, signal)
        if (signal.aborted) return
      }
    }
  }
}
