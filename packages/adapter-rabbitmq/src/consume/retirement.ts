import { wait, type Clock } from '@mekong/core/driver'
import { orderedQueueName } from '../broker-names.ts'
import type { Requests } from '../connection/requests.ts'
import { isNotFound } from '../rabbitmq-failures.ts'
import type { QueueReader } from './queue-reader.ts'

export interface RetirementOptions {
  readonly group: string
  readonly requests: Requests
  readonly clock: Clock
  /** The consumer takes no more. */
  readonly signal: AbortSignal
  readonly onTrouble: (error: unknown) => void
}

/** Between two looks whether a drained queue can go; what was routed to it before it was unbound has arrived by then. */
const lookEveryMs = 500

/**
 * Deletes the drained queues of an old generation, from the last one to the first, so that a generation never has gaps. Who
 * holds the end of a queue is its active consumer: nobody else has anything of it in hand.
 */
export class Retirement {
  readonly #options: RetirementOptions
  readonly #retiring = new Set<QueueReader>()

  constructor(options: RetirementOptions) {
    this.#options = options
  }

  async retire(reader: QueueReader): Promise<void> {
    if (this.#retiring.has(reader)) return
    this.#retiring.add(reader)
    try {
      while (!(await this.#isGone(reader))) continue
    } catch (error) {
      // Somebody was quicker, or the connection is going: the end of the generation is delivered again.
      if (!isNotFound(error)) this.#options.onTrouble(error)
    } finally {
      this.#retiring.delete(reader)
    }
  }

  /** True also when it is not ours to delete any more. */
  async #isGone(reader: QueueReader): Promise<boolean> {
    const { requests, clock, signal } = this.#options
    await wait(clock, lookEveryMs, signal)
    if (signal.aborted || !reader.isDrained) return true
    if (await this.#hasFollower(reader)) return false
    const { queue } = reader.source
    const { messageCount } = await requests.ask(channel => channel.checkQueue(queue))
    if (messageCount > 0) return false
    if (signal.aborted || !reader.isDrained) return true
    await requests.ask(channel => channel.deleteQueue(queue))
    return true
  }

  async #hasFollower({ source: { topic, place } }: QueueReader): Promise<boolean> {
    if (place === undefined) return false
    return this.#options.requests.hasQueue(orderedQueueName(topic, this.#options.group, place.slot, place.index + 1))
  }
}
