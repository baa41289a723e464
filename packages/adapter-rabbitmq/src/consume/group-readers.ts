import type { ChannelModel } from 'amqplib'
import {
  wait,
  type Clock,
  type Partition,
  type Sink,
  type SubscribeOptions,
  type TopicSubscription,
} from '@mekong/core/driver'
import type { Requests } from '../connection/requests.ts'
import type { SupervisedConnection } from '../connection/supervised-connection.ts'
import { isDeclared, readLayout, type Generation, type GroupLayout } from '../layout/group-layout.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import { QueueReader } from './queue-reader.ts'
import { queueSource, type Source } from './source.ts'
import { StreamSource } from './stream-source.ts'

export interface GroupReadersOptions {
  readonly subscribe: SubscribeOptions
  readonly sink: Sink
  readonly connection: SupervisedConnection
  readonly requests: Requests
  readonly connectTimeoutMs: number
  readonly isReplayed: (topic: string) => boolean
  /** Declares the group on a topic again, if this driver declared it before. */
  readonly restore: (group: string, topic: string) => Promise<void>
  readonly onDrained: (reader: QueueReader) => void
  readonly onTrouble: (error: unknown) => void
  readonly clock: Clock
  /** The consumer is closed. */
  readonly signal: AbortSignal
}

const refreshAgainMs = 500
const longestRefreshMs = 10_000

/** The readers of one member: one for each queue that the broker has of its group, found again when queues come and go. */
export class GroupReaders {
  readonly #options: GroupReadersOptions
  readonly #byQueue = new Map<string, QueueReader>()
  readonly #byPartition = new Map<Partition, QueueReader>()
  readonly #refreshing = new Set<string>()
  /** A queue of these topics went since they were read. */
  readonly #outdated = new Set<string>()
  /** By topic: the generation that is read, as large as it was ever seen. */
  readonly #generations = new Map<string, Generation>()
  #epoch = 0
  #isStopped = false

  constructor(options: GroupReadersOptions) {
    this.#options = options
  }

  /** Everything that is known of the group is consumed. */
  get isWell(): boolean {
    return this.#refreshing.size === 0 && this.all().every(({ isConsuming }) => isConsuming)
  }

  of(partition: Partition): QueueReader | undefined {
    return this.#byPartition.get(partition)
  }

  all(): readonly QueueReader[] {
    return [...this.#byQueue.values()]
  }

  /** Resolves when everything of the topic is consumed. Rejects with RabbitMqError `refused` where there is nothing. */
  async join({ topic, ordered }: TopicSubscription): Promise<void> {
    const { subscribe, requests } = this.#options
    const { group, from } = subscribe
    if (subscribe.isReplay === true) return this.#joinStream(topic)
    if (typeof from === 'object') throw refused('a queue begins when it is declared: only a replay begins at a time')
    const layout = await readLayout(requests, topic, group)
    if (!isDeclared(layout)) throw refused(`group ${group} is not declared on topic ${topic}: ${remedy}`)
    if (ordered && layout.generations.length === 0) {
      throw refused(`group ${group} was declared on topic ${topic} without order: ${remedy}`)
    }
    await this.#read(topic, layout)
  }

  /** The connection is there again. True: everything is consumed. */
  async reopen(model: ChannelModel): Promise<boolean> {
    const opened = await Promise.allSettled(this.all().map(reader => reader.open(model)))
    return this.#options.connection.current === model && opened.every(({ status }) => status === 'fulfilled')
  }

  stop(): void {
    this.#isStopped = true
    for (const reader of this.all()) reader.stop()
  }

  async close(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.all().map(reader => reader.close()))
  }

  async #joinStream(topic: string): Promise<void> {
    const { isReplayed, subscribe } = this.#options
    if (!isReplayed(topic))
      throw refused(`topic ${topic} cannot be replayed: name it in the option \`replay\` of rabbitmq()`)
    await this.#openReader(new StreamSource(topic, subscribe.from))
  }

  /** Of two generations the older one: the newer one is read when nothing of the older one is left. */
  async #read(topic: string, { unordered, generations: [generation] }: GroupLayout): Promise<void> {
    const known = this.#generations.get(topic)
    if (
      generation !== undefined &&
      (generation.slot !== known?.slot || generation.queues.length > known.queues.length)
    ) {
      this.#generations.set(topic, generation)
    }
    const sources: Source[] = []
    if (unordered !== undefined) sources.push(queueSource({ topic, queue: unordered, place: undefined }))
    for (const [index, queue] of (generation?.queues ?? []).entries()) {
      sources.push(queueSource({ topic, queue, place: { slot: generation!.slot, index } }))
    }
    await Promise.all(sources.map(source => this.#openReader(source)))
  }

  async #openReader(source: Source): Promise<void> {
    const { connection, connectTimeoutMs, signal } = this.#options
    if (this.#byQueue.has(source.queue) || signal.aborted) return
    const reader = this.#createReader(source)
    this.#byQueue.set(source.queue, reader)
    this.#byPartition.set(reader.partition, reader)
    if (this.#isStopped) reader.stop()
    const model = await connection.opened(connectTimeoutMs)
    await reader.open(model).catch((error: unknown) => {
      // With the next connection it opens by itself.
      if (connection.current === model) throw error
    })
  }

  #createReader(source: Source): QueueReader {
    const { connection, subscribe, sink, clock, onDrained, onTrouble } = this.#options
    return new QueueReader({
      source,
      member: subscribe.member,
      connection,
      prefetch: subscribe.window,
      sink,
      clock,
      nextEpoch: () => ++this.#epoch,
      onGone: reader => this.#gone(reader),
      onDrained,
      onTrouble,
    })
  }

  /** Its queue is not there any more: what follows it is read, or it is declared again. */
  #gone(reader: QueueReader): void {
    const { signal, sink } = this.#options
    const { queue, topic } = reader.source
    if (signal.aborted || this.#byQueue.get(queue) !== reader) return
    this.#byQueue.delete(queue)
    this.#byPartition.delete(reader.partition)
    void reader.close()
    // What runs may finish: what it handles is not delivered again.
    if (reader.isAssigned) void sink.revoked(reader.partition, 'drain').catch(() => undefined)
    void this.#refresh(topic)
  }

  /** Until what was read is what is there. */
  async #refresh(topic: string): Promise<void> {
    const { clock, signal, onTrouble } = this.#options
    this.#outdated.add(topic)
    if (this.#refreshing.has(topic)) return
    this.#refreshing.add(topic)
    for (let pauseMs = refreshAgainMs; this.#outdated.delete(topic) && !signal.aborted;) {
      try {
        await this.#readWhatFollows(topic)
      } catch (error) {
        this.#outdated.add(topic)
        onTrouble(error)
        await wait(clock, pauseMs, signal)
        pauseMs = Math.min(2 * pauseMs, longestRefreshMs)
      }
    }
    this.#refreshing.delete(topic)
    if (!signal.aborted) onTrouble(undefined)
  }

  async #readWhatFollows(topic: string): Promise<void> {
    const { requests, subscribe, restore, onTrouble } = this.#options
    const { group, isReplay } = subscribe
    if (isReplay === true) throw refused(`the stream of topic ${topic} was deleted`)
    let layout = await readLayout(requests, topic, group)
    if (this.#isWhole(topic, layout)) return this.#read(topic, layout)
    const error = refused(`queues of group ${group} on topic ${topic} were deleted, with what was in them`)
    onTrouble(error)
    await restore(group, topic)
    layout = await readLayout(requests, topic, group)
    await this.#read(topic, layout)
    if (!this.#isWhole(topic, layout)) throw error
  }

  /** The older one of two generations loses its queues when they are drained. */
  #isWhole(topic: string, layout: GroupLayout): boolean {
    const [generation, next] = layout.generations
    const known = this.#generations.get(topic)
    if (generation === undefined) {
      // Nothing of it is left: whatever is declared next is whole.
      if (known !== undefined) this.#generations.set(topic, { slot: known.slot, queues: [] })
      return known === undefined && isDeclared(layout)
    }
    return generation.slot !== known?.slot || next !== undefined || generation.queues.length >= known.queues.length
  }
}

const remedy = "start once with topology: 'create'"

function refused(message: string): RabbitMqError {
  return new RabbitMqError('refused', message)
}
