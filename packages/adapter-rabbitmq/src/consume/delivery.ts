import type { ConsumeMessage } from 'amqplib'
import type { HeaderView, Incoming, Partition } from '@mekong/core/driver'
import { AmqpHeaders } from '../rabbitmq-message.ts'
import type { QueueReader } from './queue-reader.ts'
import type { ReaderChannel } from './reader-channel.ts'

/** One handing over of a message on one channel. Its handle is as good as that channel. */
export class Delivery implements Incoming {
  readonly partition: Partition
  readonly body: Uint8Array
  readonly headers: HeaderView
  readonly tag: number
  readonly message: ConsumeMessage
  readonly reader: QueueReader
  readonly channel: ReaderChannel
  readonly #headers: AmqpHeaders
  /** The first settlement wins. */
  isSettled = false

  constructor(reader: QueueReader, message: ConsumeMessage, channel: ReaderChannel) {
    this.reader = reader
    this.partition = reader.partition
    this.message = message
    this.channel = channel
    this.tag = message.fields.deliveryTag
    this.body = message.content
    this.#headers = new AmqpHeaders(message.properties)
    this.headers = this.#headers
  }

  get position(): string {
    return String(this.#headers.streamOffset ?? this.tag)
  }

  get key(): string | undefined {
    return this.#headers.key
  }

  get messageId(): string | undefined {
    const { streamOffset } = this.#headers
    const id: unknown = this.message.properties.messageId
    if (typeof id === 'string' && id !== '') return id
    return streamOffset === undefined ? undefined : `${this.partition.topic}@${streamOffset}`
  }

  /** A stream does not count. */
  get deliveries(): number | undefined {
    if (this.#headers.streamOffset !== undefined) return undefined
    return 1 + Math.max(this.#headers.earlierDeliveries, this.message.fields.redelivered ? 1 : 0)
  }

  get streamOffset(): number | undefined {
    return this.#headers.streamOffset
  }

  get sentAt(): number | undefined {
    return this.#headers.sentAt
  }
}
