import { wait, type Clock } from '@mekong/core/driver'
import { orderedQueueName, requeueKey, sharedNames } from '../broker-names.ts'
import type { Requests } from '../connection/requests.ts'
import { readLayout } from '../layout/group-layout.ts'
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

/** Between two looks at a drained queue. */
const lookEveryMs = 500

/**
 * Deletes the drained queues of an old generation, from the last one to the first, so that a generation never has gaps. Who
 * holds the end of a queue is its active consumer: nobody else has anything of it in hand.
 */
export class Retirement {
  readonly #options: RetirementOptions
  readonly #retiring = new Set<QueueReader>()
  readonly #deliveredAtLastLook = new WeakMap<QueueReader, number>()

  constructor(options: RetirementOptions) {
    this.#options = options
  }

  async retire(reader: QueueReader): Promise<void> {
    if (this.#retiring.has(reader)) return
    this.#retiring.add(reader)
    const { clock, signal } = this.#options
    // Told again when it is drained again, or when the end of the generation is delivered again.
    while (!signal.aborted && reader.isDrained && !(await this.#isDeleted(reader))) {
      await wait(clock, lookEveryMs, signal)
    }
    this.#retiring.delete(reader)
  }

  /** By us or by somebody else. */
  async #isDeleted(reader: QueueReader): Promise<boolean> {
    const { requests, onTrouble } = this.#options
    const { queue } = reader.source
    try {
      if ((await this.#hasFollower(reader)) || !(await this.#isSucceeded(reader))) return false
      const { messageCount } = await requests.ask(channel => channel.checkQueue(queue))
      if (messageCount > 0 || !reader.isDrained || !this.#isSettled(reader)) return false
      await requests.ask(channel => channel.deleteQueue(queue))
      onTrouble(undefined)
      return true
    } catch (error) {
      if (isNotFound(error)) return true
      onTrouble(error)
      return false
    }
  }

  /** It was as empty at the look before: what was on its way when the queue was unbound has arrived. */
  #isSettled(reader: QueueReader): boolean {
    const before = this.#deliveredAtLastLook.get(reader)
    this.#deliveredAtLastLook.set(reader, reader.delivered)
    return before === reader.delivered
  }

  /** What is delayed and comes back to this queue goes to the next generation from now on. False: there is none. */
  async #isSucceeded({ source: { topic, queue, place } }: QueueReader): Promise<boolean> {
    const { requests, group } = this.#options
    const { generations } = await readLayout(requests, topic, group)
    const next = generations.findLast(({ slot }) => slot !== place?.slot)
    if (next === undefined || place === undefined) return false
    const successor = next.queues[place.index % next.queues.length]!
    await requests.ask(async channel => {
      await channel.bindQueue(successor, sharedNames.due, requeueKey(queue))
      await channel.unbindQueue(queue, sharedNames.due, requeueKey(queue))
    })
    return true
  }

  async #hasFollower({ source: { topic, place } }: QueueReader): Promise<boolean> {
    if (place === undefined) return false
    return this.#options.requests.hasQueue(orderedQueueName(topic, this.#options.group, place.slot, place.index + 1))
  }
}
