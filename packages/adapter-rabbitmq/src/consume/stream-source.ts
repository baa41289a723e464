import type { Options } from 'amqplib'
import type { StartPosition } from '@mekong/core/driver'
import { streamName } from '../broker-names.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import type { Delivery } from './delivery.ts'
import type { Source } from './source.ts'

type StreamOffset = number | 'first' | 'next' | { readonly '!': 'timestamp'; readonly value: number }

/** Reads a topic that is kept for replay, from a place or a time. Nobody else moves where it is. */
export class StreamSource implements Source {
  readonly topic: string
  readonly queue: string
  readonly kind = 'stream'
  readonly place = undefined
  #offset: StreamOffset
  /** The broker finds a time by chunks of messages: what is older in the first one is left out here. */
  #since: number | undefined
  #next: number | undefined

  constructor(topic: string, from: StartPosition) {
    this.topic = topic
    this.queue = streamName(topic)
    this.#offset = 'first'
    if (from === 'latest') this.#offset = 'next'
    else if (from !== 'earliest') this.seek(from)
  }

  /** From the next channel on. */
  seek(to: { readonly position: string } | { readonly time: number }): void {
    this.#next = undefined
    if ('time' in to) {
      this.#since = to.time
      this.#offset = { '!': 'timestamp', value: Math.max(0, Math.floor(to.time / 1000)) }
      return
    }
    const offset = Number(to.position)
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new RabbitMqError('illegal', 'a position in a stream is a number that is not negative')
    }
    this.#since = undefined
    this.#offset = offset
  }

  consumeOptions(): Options.Consume {
    return { arguments: { 'x-stream-offset': this.#offset } }
  }

  isWanted(delivery: Delivery): boolean {
    const { streamOffset, sentAt } = delivery
    if (streamOffset !== undefined) {
      // A chunk is delivered from its beginning.
      if (typeof this.#offset === 'number' && streamOffset < this.#offset) return false
      this.#next = streamOffset + 1
    }
    return this.#since === undefined || sentAt === undefined || sentAt >= this.#since
  }

  ended(firstUnsettled: Delivery | undefined): void {
    const offset = firstUnsettled?.streamOffset ?? this.#next
    if (offset !== undefined) this.#offset = offset
  }
}
