import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { wait, type Clock, type Partition, type Sink } from '@mekong/core/driver'
import type { SupervisedConnection } from '../connection/supervised-connection.ts'
import { isNotFound } from '../rabbitmq-failures.ts'
import { isEndOfGeneration } from '../rabbitmq-message.ts'
import { Delivery } from './delivery.ts'
import { priorityOf } from './priority.ts'
import { ReaderChannel } from './reader-channel.ts'
import type { Source } from './source.ts'

export interface ReaderOptions {
  readonly source: Source
  readonly member: string
  readonly connection: SupervisedConnection
  readonly prefetch: number
  readonly sink: Sink
  readonly clock: Clock
  readonly nextEpoch: () => number
  /** The queue is gone: deleted, or the broker cancelled its consumer. */
  readonly onGone: (reader: QueueReader) => void
  /** Everything before the end of its generation is settled. */
  readonly onDrained: (reader: QueueReader) => void
  /** It cannot consume, and tries again; undefined: it can now. */
  readonly onTrouble: (error: unknown) => void
}

/** As the broker answers when it is asked for a queue. */
export interface QueueState {
  readonly messageCount: number
  readonly consumerCount: number
}

const firstPauseMs = 50
const longestPauseMs = 5000

/**
 * Consumes one queue, or one stream, on a channel of its own: closing it gives back everything of this queue in its order,
 * and disturbs no other. Its partition is assigned with the first delivery, because until then nobody knows whether this
 * member is the active one. When the channel ends it opens another, and the partition stays.
 */
export class QueueReader {
  readonly source: Source
  readonly #options: ReaderOptions
  readonly #stopped = new AbortController()
  readonly partition: Partition
  #channel: ReaderChannel | undefined
  #consumerTag: string | undefined
  #rawChannel: Channel | undefined
  #assignment: 'none' | 'asked' | 'done' = 'none'
  #isPaused = false
  #takes = true
  #pause: AbortController | undefined
  #opening: { readonly model: ChannelModel; readonly done: Promise<void> } | undefined
  /** Delivered and not handed over. */
  #waiting: Delivery[] = []
  readonly #ends = new Set<Delivery>()
  #isHandOverPlanned = false
  #delivered = 0
  #onEnded: (() => void) | undefined
  /** How many had come when it looked as if it was forgotten. */
  #lastLook: number | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
    this.source = options.source
    const { topic, kind, queue } = options.source
    this.partition = { topic, id: kind === 'stream' ? 'stream' : queue, epoch: options.nextEpoch() }
  }

  get isConsuming(): boolean {
    return this.#consumerTag !== undefined && this.#channel?.isOpen === true
  }

  get isAssigned(): boolean {
    return this.#assignment === 'done'
  }

  /** How many came so far. */
  get delivered(): number {
    return this.#delivered
  }

  /** Delivered to this member and not settled, ends of generations left out. */
  get unsettled(): number {
    return (this.#channel?.unsettled ?? 0) - this.#ends.size
  }

  /** Everything that is left here is the end of its generation. */
  get isDrained(): boolean {
    return this.#ends.size > 0 && this.unsettled === 0 && this.#channel?.isOpen === true
  }

  /** Resolves when it consumes, or is gone. Rejects when the connection went meanwhile; then it opens with the next one. */
  open(model: ChannelModel): Promise<void> {
    const before = this.#opening
    if (before?.model === model) return before.done
    const open = (): Promise<void> => this.#open(model)
    // On a connection that is gone, which it sees by itself.
    this.#pause?.abort()
    const opening = { model, done: before === undefined ? open() : before.done.then(open, open) }
    this.#opening = opening
    const end = (): void => {
      if (this.#opening === opening) this.#opening = undefined
    }
    opening.done.then(end, end)
    return opening.done
  }

  acknowledge(delivery: Delivery): void {
    delivery.channel.acknowledge(delivery)
    this.#checkDrained()
  }

  giveBack(delivery: Delivery, counts: boolean): void {
    delivery.channel.giveBack(delivery, counts)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#planHandOver()
  }

  /**
   * Hands over no more. An unordered queue is left to the other members; leaving an ordered one would activate the next
   * consumer while messages of it are in hand here.
   */
  stop(): void {
    this.#takes = false
    if (this.source.kind !== 'unordered' || this.#consumerTag === undefined) return
    const tag = this.#consumerTag
    this.#consumerTag = undefined
    // What comes before the broker answers goes back when the channel closes.
    if (this.#channel?.isOpen === true) this.#rawChannel?.cancel(tag).catch(() => undefined)
  }

  /** Sends what is settled, gives back the rest. */
  async close(): Promise<void> {
    this.#takes = false
    this.#stopped.abort()
    this.#pause?.abort()
    await this.#channel?.close().catch(() => undefined)
  }

  /** Hands the message over once more; the broker has no part in it. */
  repeat({ message, channel }: Delivery): void {
    if (!channel.isOpen) return
    const again = new Delivery(this, message, channel)
    channel.received(again)
    this.#waiting.push(again)
    this.#planHandOver()
  }

  /** Consumes anew; `change` is called when nothing of before is left. */
  async restart(change: () => void): Promise<void> {
    this.#onEnded = change
    await this.#channel?.close().catch(() => undefined)
    await this.#opening?.done
  }

  /**
   * What the broker knows of its queue, told every now and then; undefined: there is none. Consumes anew where nobody does,
   * and where there was something to deliver and nothing in hand from one look to the next: it may have been forgotten.
   */
  async looked(queue: QueueState | undefined): Promise<void> {
    const { current: model } = this.#options.connection
    if (this.#stopped.signal.aborted || model === undefined || this.#opening !== undefined) return
    if (this.#channel === undefined) return this.open(model)
    if (queue === undefined) return this.#cancelled(this.#channel)
    const before = this.#lastLook
    // What is in hand is settled first: with the channel an ordered queue may go to another member.
    const isIdle = this.#takes && !this.#isPaused && this.#channel.unsettled === 0
    // Of a stream the broker counts neither what is ahead nor who reads it.
    const isForgotten = isIdle && this.source.kind !== 'stream' && (queue.consumerCount === 0 || queue.messageCount > 0)
    this.#lastLook = isForgotten ? this.#delivered : undefined
    if (!isForgotten || before !== this.#delivered) return
    this.#lastLook = undefined
    await this.restart(() => undefined)
  }

  async #open(model: ChannelModel): Promise<void> {
    const { connection, clock, onTrouble, onGone } = this.#options
    const { signal } = this.#stopped
    for (let pauseMs = firstPauseMs; !signal.aborted && connection.current === model; pauseMs *= 2) {
      try {
        // The channel may have ended with the answer that it consumes.
        if (await this.#consume(model)) return onTrouble(undefined)
      } catch (error) {
        if (signal.aborted || connection.current !== model) throw error
        if (isNotFound(error)) return onGone(this)
        onTrouble(error)
      }
      this.#pause = new AbortController()
      await wait(clock, Math.min(pauseMs, longestPauseMs), this.#pause.signal)
    }
  }

  /** Whether it consumes now. */
  async #consume(model: ChannelModel): Promise<boolean> {
    const { prefetch, clock, source, member } = this.#options
    const channel = await model.createChannel()
    const deliveries = new ReaderChannel(channel, clock)
    let closeError: unknown
    channel.on('error', error => (closeError = error))
    channel.on('handler-error', error => (closeError = error))
    channel.on('close', () => this.#ended(deliveries, model, closeError))
    await channel.prefetch(prefetch)
    const priority = priorityOf(member, source.queue, model)
    this.#channel = deliveries
    this.#rawChannel = channel
    const receive = (message: ConsumeMessage | null): void => this.#receive(message, deliveries)
    const { consumerTag } = await channel.consume(source.queue, receive, source.consumeOptions(priority))
    if (this.#channel !== deliveries) return false
    this.#consumerTag = consumerTag
    if (this.#stopped.signal.aborted) await deliveries.close()
    return true
  }

  #receive(message: ConsumeMessage | null, channel: ReaderChannel): void {
    if (message === null) return this.#cancelled(channel)
    const delivery = new Delivery(this, message, channel)
    this.#delivered++
    channel.received(delivery)
    if (isEndOfGeneration(message)) {
      this.#ends.add(delivery)
      this.#checkDrained()
      return
    }
    if (!this.source.isWanted(delivery)) return channel.acknowledge(delivery)
    this.#waiting.push(delivery)
    this.#planHandOver()
  }

  /** All that arrived in one read of the socket goes over together. */
  #planHandOver(): void {
    if (this.#isHandOverPlanned || this.#waiting.length === 0) return
    this.#isHandOverPlanned = true
    queueMicrotask(() => {
      this.#isHandOverPlanned = false
      this.#handOver()
    })
  }

  #handOver(): void {
    if (this.#waiting.length === 0 || this.#isPaused || !this.#takes) return
    // What a closing channel has delivered goes back.
    if (this.#channel?.isOpen !== true) return
    if (this.#assignment !== 'done') return this.#assign()
    const batch = this.#waiting
    this.#waiting = []
    this.#options.sink.messages(batch)
  }

  #assign(): void {
    if (this.#assignment !== 'none') return
    this.#assignment = 'asked'
    this.#options.sink.assigned(this.partition).then(
      () => {
        this.#assignment = 'done'
        this.#options.onTrouble(undefined)
        this.#handOver()
      },
      (error: unknown) => {
        this.#assignment = 'none'
        this.#options.onTrouble(error)
        void wait(this.#options.clock, firstPauseMs, this.#stopped.signal).then(() => this.#handOver())
      },
    )
  }

  /** The broker took the consumer away; the handles of this channel still work until it ends. */
  #cancelled(channel: ReaderChannel): void {
    this.#consumerTag = undefined
    void channel.close().catch(() => undefined)
    this.#options.onGone(this)
  }

  #ended(channel: ReaderChannel, model: ChannelModel, error: unknown): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    this.#consumerTag = undefined
    this.source.ended(channel.first)
    this.#onEnded?.()
    this.#onEnded = undefined
    const waiting = new Set(this.#waiting)
    const lost = [...channel.all()].filter(delivery => !waiting.has(delivery) && !this.#ends.has(delivery))
    this.#waiting = []
    this.#ends.clear()
    if (this.#stopped.signal.aborted) return
    if (lost.length > 0) this.#options.sink.lost(lost)
    if (this.#options.connection.current !== model) return
    if (error !== undefined) this.#options.onTrouble(error)
    void this.open(model).catch(() => undefined)
  }

  #checkDrained(): void {
    if (this.isDrained) this.#options.onDrained(this)
  }
}
