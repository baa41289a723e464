import type { ChannelModel } from 'amqplib'
import {
  MekongError,
  wait,
  type Consumer,
  type Incoming,
  type Lag,
  type Partition,
  type Settlement,
  type TopicSubscription,
} from '@mekong/core/driver'
import { sharedNames } from './broker-names.ts'
import { Delivery } from './consume/delivery.ts'
import { GroupReaders, type GroupReadersOptions } from './consume/group-readers.ts'
import type { QueueReader } from './consume/queue-reader.ts'
import { QueueWatch } from './consume/queue-watch.ts'
import { Redelivery } from './consume/redelivery.ts'
import type { Requeue } from './consume/requeue.ts'
import { Retirement } from './consume/retirement.ts'
import { StreamSource } from './consume/stream-source.ts'
import { RabbitMqError } from './rabbitmq-failures.ts'

export type SubscriptionOptions = Omit<GroupReadersOptions, 'onDrained' | 'onTrouble' | 'signal'> & {
  readonly requeue: Requeue
  readonly recheckMs: number
  readonly onClosed: (subscription: Subscription) => void
}

/** What a quorum queue delivers unacknowledged at most. */
const maxWindow = 2000
const closeWithinMs = 3000

/** One member of a group. */
export class Subscription implements Consumer {
  readonly #options: SubscriptionOptions
  readonly #readers: GroupReaders
  readonly #redelivery: Redelivery
  readonly #watch: QueueWatch
  readonly #stopped = new AbortController()
  readonly #closed = new AbortController()
  readonly #watcher: { readonly opened: (model: ChannelModel) => void; readonly lost: (error: unknown) => void }
  readonly #looks = new Map<QueueReader, { readonly ready: number; readonly delivered: number }>()
  /** What was said last. */
  #isRunning = false
  #isBackstopTold = false

  constructor(options: SubscriptionOptions) {
    const { subscribe, sink, requests, requeue, clock } = options
    const onTrouble = (error: unknown): void => this.#troubled(error)
    const retirement = new Retirement({
      group: subscribe.group,
      requests,
      clock,
      signal: this.#stopped.signal,
      onTrouble,
    })
    this.#options = options
    this.#readers = new GroupReaders({
      ...options,
      onDrained: reader => void retirement.retire(reader),
      onTrouble,
      signal: this.#closed.signal,
    })
    this.#redelivery = new Redelivery({ requeue, clock, signal: this.#closed.signal, onTrouble })
    this.#watch = new QueueWatch({
      readers: () => this.#readers.all(),
      requests,
      everyMs: options.recheckMs,
      onBackstop: messages => this.#setAside(messages),
      clock,
      signal: this.#stopped.signal,
    })
    this.#watcher = {
      opened: model => void this.#reopen(model),
      lost: error => {
        this.#isRunning = false
        sink.status({ is: 'reconnecting', error })
      },
    }
  }

  /** Resolves when every queue of the topics is consumed. */
  async start(): Promise<void> {
    const { connection, subscribe } = this.#options
    if (subscribe.window > maxWindow) {
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `consume.window is ${subscribe.window}: RabbitMQ delivers at most ${maxWindow} unacknowledged messages of a queue`,
      )
    }
    connection.watchers.add(this.#watcher)
    try {
      await this.extend(subscribe.topics)
    } catch (error) {
      await this.close()
      throw error
    }
    this.#recovered()
    void this.#watch.run()
  }

  async extend(topics: readonly TopicSubscription[]): Promise<void> {
    for (const topic of topics) {
      if (this.#closed.signal.aborted) throw new RabbitMqError('closed', 'this consumer was closed')
      await this.#readers.join(topic)
    }
  }

  settle(batch: readonly Incoming[], settlement: Settlement): void {
    for (const delivery of batch) {
      if (!(delivery instanceof Delivery) || delivery.isSettled) continue
      delivery.isSettled = true
      // On another channel its tag is unknown, or somebody else's.
      if (!delivery.channel.isOpen) continue
      if (settlement.is === 'acknowledge') delivery.reader.acknowledge(delivery)
      else this.#redelivery.redeliver(delivery, settlement)
    }
  }

  pause(partition: Partition): void {
    this.#readers.of(partition)?.pause()
  }

  resume(partition: Partition): void {
    this.#readers.of(partition)?.resume()
  }

  async seek(partition: Partition, to: { readonly position: string } | { readonly time: number }): Promise<void> {
    const reader = this.#readers.of(partition)
    const source = reader?.source
    if (reader === undefined || !(source instanceof StreamSource)) {
      throw new RabbitMqError('refused', 'a queue forgets what is settled: only a replay can be sought in')
    }
    await reader.restart(() => source.seek(to))
  }

  /** Of what delivered to this member, and is not worked off by another one since. */
  async lag(): Promise<ReadonlyMap<Partition, Lag>> {
    const lags = new Map<Partition, Lag>()
    for (const reader of this.#readers.all().filter(({ isAssigned }) => isAssigned)) {
      const ready = await this.#ready(reader)
      if (ready !== undefined) lags.set(reader.partition, { messages: ready + reader.unsettled })
    }
    return lags
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#readers.stop()
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#stopped.abort()
    this.#closed.abort()
    this.#options.connection.watchers.delete(this.#watcher)
    const ended = new AbortController()
    const closing = this.#readers.close().finally(() => ended.abort())
    // A broker that does not answer takes everything back with the connection.
    await Promise.race([closing, wait(this.#options.clock, closeWithinMs, ended.signal)])
    this.#options.onClosed(this)
  }

  async #reopen(model: ChannelModel): Promise<void> {
    if (await this.#readers.reopen(model)) this.#recovered()
  }

  /** Running is said only when every queue is consumed. */
  #recovered(): void {
    const isConnected = this.#options.connection.current !== undefined
    if (this.#isRunning || this.#closed.signal.aborted || !isConnected || !this.#readers.isWell) return
    this.#isRunning = true
    this.#isBackstopTold = false
    this.#options.sink.status({ is: 'running' })
  }

  /** Undefined: it is over. */
  #troubled(error: unknown): void {
    if (error === undefined) return this.#recovered()
    if (this.#closed.signal.aborted || this.#options.connection.current === undefined) return
    this.#isRunning = false
    this.#options.sink.status({ is: 'degraded', error })
  }

  /** Nobody else would say so: what is set aside waits for people. */
  #setAside(messages: number): void {
    if (messages > 0 && this.#isRunning) {
      const waiting = `${messages} messages wait for people in queue ${sharedNames.backstop}`
      this.#troubled(new RabbitMqError('refused', waiting))
      this.#isBackstopTold = true
    } else if (messages === 0 && this.#isBackstopTold) this.#recovered()
  }

  /** Undefined: it shrinks, and not by us. */
  async #ready(reader: QueueReader): Promise<number | undefined> {
    const { source, delivered } = reader
    // A stream does not tell how much is ahead.
    if (source.kind === 'stream') return 0
    const { messageCount: ready } = await this.#options.requests.ask(channel => channel.checkQueue(source.queue))
    const before = this.#looks.get(reader)
    this.#looks.set(reader, { ready, delivered })
    const isElsewhere =
      before !== undefined && ready < before.ready && delivered === before.delivered && reader.unsettled === 0
    return isElsewhere ? undefined : ready
  }
}
