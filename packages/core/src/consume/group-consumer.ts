import type { Clock } from '../clock.ts'
import type {
  Consumer,
  ConsumerStatus,
  Driver,
  Incoming,
  Partition,
  Settlement,
  Sink,
  SubscribeOptions,
  TopicSubscription,
} from '../driver/driver-contract.ts'
import type { ConsumeTuning } from '../event-bus-options.ts'
import type { Observer } from '../signal.ts'
import { Delivery } from './delivery.ts'
import { openEnvelope } from './envelope.ts'
import { persist } from './persist.ts'
import { Settlements } from './settlements.ts'
import type { Arrival, SubscriptionRunner } from './subscription-runner.ts'
import { Watchdog } from './watchdog.ts'

export interface GroupConsumerOptions {
  readonly driver: Driver
  readonly subscribe: Omit<SubscribeOptions, 'topics'>
  readonly tuning: ConsumeTuning
  readonly newIdentity: () => string
  readonly clock: Clock
  readonly observe: Observer
  /** Closing has run out of time. */
  readonly signal: AbortSignal
}

/** What is known of a partition while it is ours. */
interface Held {
  readonly partition: Partition
  readonly unsettled: Map<Incoming, Delivery>
  /** Why it is paused; empty: it is not. */
  readonly pauses: Set<string>
  isLeaving: boolean
  cancelSpill: (() => void) | undefined
}

/** The consumer of one group on one broker: hands messages to the subscriptions, keeps the windows, settles. */
export class GroupConsumer implements Sink {
  readonly #options: GroupConsumerOptions
  readonly #runners = new Map<string, SubscriptionRunner[]>()
  readonly #ordered = new Map<string, boolean>()
  readonly #partitions = new Map<Partition, Held>()
  readonly #settlements: Settlements
  readonly #watchdog: Watchdog
  #consumer: Consumer | undefined
  #progressAt: number | undefined
  #isClosed = false
  #status: ConsumerStatus = { is: 'running' }

  constructor(options: GroupConsumerOptions) {
    this.#options = options
    this.#settlements = new Settlements(() => this.#consumer, options.observe)
    this.#watchdog = new Watchdog({
      clock: options.clock,
      stalledAfterMs: options.tuning.stalledAfterMs,
      lag: async () => this.#consumer?.lag(),
      isIdle: partition => this.#isIdle(partition),
      progressAt: () => this.#progressAt,
      onStalled: (partition, lag) => this.#rebuild(partition, lag),
    })
  }

  status(status: ConsumerStatus): void {
    this.#status = status
    this.#options.observe({ is: 'consumer', driver: this.#options.driver.name, status })
  }

  get currentStatus(): ConsumerStatus {
    return this.#status
  }

  /** By the monotonic clock; undefined before the first message. */
  get progressAt(): number | undefined {
    return this.#progressAt
  }

  /** Takes the subscription in, before or after `start`. */
  async add(runner: SubscriptionRunner): Promise<void> {
    const { topic, ordered } = runner.subscription
    const known = this.#runners.get(topic)
    if (known === undefined) {
      this.#runners.set(topic, [runner])
      this.#ordered.set(topic, ordered)
      await this.#consumer?.extend([{ topic, ordered }])
      return
    }
    await runner.assigned()
    known.push(runner)
    if (!ordered || this.#ordered.get(topic) === true) return
    this.#ordered.set(topic, true)
    await this.#consumer?.extend([{ topic, ordered }])
  }

  async start(): Promise<void> {
    this.#consumer = await this.#join()
    this.#watchdog.start()
  }

  /** Takes no more. */
  async stop(): Promise<void> {
    this.#watchdog.stop()
    for (const held of this.#partitions.values()) held.cancelSpill?.()
    await this.#consumer?.stop()
  }

  /** Settles what is decided, hands back the rest. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#settlements.flush()
    await this.#consumer?.close()
    this.#partitions.clear()
  }

  async assigned(partition: Partition): Promise<void> {
    this.#partitions.set(partition, {
      partition,
      unsettled: new Map(),
      pauses: new Set(),
      isLeaving: false,
      cancelSpill: undefined,
    })
    await Promise.all(this.#runnersOf(partition).map(runner => runner.assigned()))
    this.#observePartition('assigned', partition)
  }

  async revoked(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    const held = this.#partitions.get(partition)
    if (held === undefined) return
    held.isLeaving = true
    held.cancelSpill?.()
    if (how === 'lost') this.#partitions.delete(partition)
    await Promise.all(this.#runnersOf(partition).map(runner => runner.leave(partition, how)))
    this.#settlements.flush()
    this.#partitions.delete(partition)
    this.#observePartition('revoked', partition, how)
  }

  messages(batch: readonly Incoming[]): void {
    this.#progressAt = this.#options.clock.monotonic()
    const arrivals = new Map<SubscriptionRunner, Arrival[]>()
    for (const incoming of batch) {
      const held = this.#partitions.get(incoming.partition)
      if (held === undefined || held.isLeaving) continue
      this.#arrive(incoming, held, arrivals)
      if (held.unsettled.size >= this.#options.tuning.window) this.#fill(held)
    }
    for (const [runner, arrived] of arrivals) runner.accept(arrived)
  }

  lost(batch: readonly Incoming[]): void {
    const dead = new Set<Delivery>()
    const runners = new Set<SubscriptionRunner>()
    for (const incoming of batch) {
      const held = this.#partitions.get(incoming.partition)
      const delivery = held?.unsettled.get(incoming)
      if (held === undefined || delivery === undefined) continue
      dead.add(delivery)
      this.#leaveWindow(held, incoming)
      for (const runner of this.#runnersOf(incoming.partition)) runners.add(runner)
    }
    for (const runner of runners) runner.lost(dead)
  }

  /** Stops the flow of a partition for a reason of its own; flows again when every reason is gone. */
  pause(partition: Partition, why: string): () => void {
    const held = this.#partitions.get(partition)
    if (held === undefined) return () => undefined
    if (held.pauses.size === 0) {
      this.#consumer?.pause(partition)
      this.#observePartition('paused', partition, why)
    }
    held.pauses.add(why)
    return () => {
      if (!held.pauses.delete(why) || held.pauses.size > 0 || held.isLeaving) return
      this.#consumer?.resume(partition)
      this.#observePartition('resumed', partition)
    }
  }

  #arrive(incoming: Incoming, held: Held, arrivals: Map<SubscriptionRunner, Arrival[]>): void {
    const envelope = openEnvelope(incoming, this.#options.newIdentity)
    const { type } = envelope.attributes
    const concerned = this.#runnersOf(incoming.partition).filter(
      ({ subscription }) => envelope.problem !== undefined || subscription.handlers.has(type),
    )
    if (concerned.length === 0) return this.#settlements.add(incoming, { is: 'acknowledge', durable: true })
    const delivery = new Delivery(incoming, concerned.length, (done, settlement) => this.#settled(held, done, settlement))
    held.unsettled.set(incoming, delivery)
    for (const runner of concerned) {
      const arrived = arrivals.get(runner)
      if (arrived === undefined) arrivals.set(runner, [{ envelope, delivery }])
      else arrived.push({ envelope, delivery })
    }
  }

  #settled(held: Held, delivery: Delivery, settlement: Settlement): void {
    if (!held.unsettled.has(delivery.incoming)) return
    this.#progressAt = this.#options.clock.monotonic()
    this.#settlements.add(delivery.incoming, settlement)
    this.#leaveWindow(held, delivery.incoming)
  }

  #fill(held: Held): void {
    if (held.cancelSpill !== undefined) return
    const { tuning, clock } = this.#options
    this.pause(held.partition, 'window')
    const spill = (): void => {
      for (const runner of this.#runnersOf(held.partition)) void runner.spill(held.partition, tuning.window / 2)
      held.cancelSpill = clock.after(tuning.spillAfterMs, spill, 'background')
    }
    held.cancelSpill = clock.after(tuning.spillAfterMs, spill, 'background')
  }

  #leaveWindow(held: Held, incoming: Incoming): void {
    held.unsettled.delete(incoming)
    if (held.cancelSpill === undefined || held.unsettled.size > this.#options.tuning.window / 2) return
    held.cancelSpill()
    held.cancelSpill = undefined
    if (!held.pauses.delete('window') || held.pauses.size > 0 || held.isLeaving) return
    this.#consumer?.resume(held.partition)
    this.#observePartition('resumed', held.partition)
  }

  /** Nothing of it is here: neither unsettled nor paused. */
  #isIdle(partition: Partition): boolean {
    const held = this.#partitions.get(partition)
    return held === undefined || (held.unsettled.size === 0 && held.pauses.size === 0)
  }

  /** Lag without progress: the client sits dead behind a healthy face. */
  async #rebuild(partition: Partition, lag: number): Promise<void> {
    const { observe, driver } = this.#options
    observe({ is: 'stalled', driver: driver.name, topic: partition.topic, partition: partition.id, lag })
    const stalled = this.#consumer
    this.#consumer = undefined
    await Promise.all([...this.#partitions.keys()].map(held => this.revoked(held, 'lost')))
    await stalled?.close()
    const consumer = await persist(() => this.#join(), {
      clock: this.#options.clock,
      signal: this.#options.signal,
      onFailure: error => this.status({ is: 'reconnecting', error }),
    })
    if (this.#isClosed) await consumer?.close()
    else this.#consumer = consumer
  }

  #join(): Promise<Consumer> {
    return this.#options.driver.subscribe({ ...this.#options.subscribe, topics: this.#topics() }, this)
  }

  #topics(): readonly TopicSubscription[] {
    return [...this.#ordered].map(([topic, ordered]) => ({ topic, ordered }))
  }

  #runnersOf(partition: Partition): readonly SubscriptionRunner[] {
    return this.#runners.get(partition.topic) ?? []
  }

  #observePartition(is: 'assigned' | 'revoked' | 'paused' | 'resumed', partition: Partition, why?: string): void {
    const { topic, id } = partition
    this.#options.observe({ is, topic, partition: id, ...(why === undefined ? {} : { why }) })
  }
}
