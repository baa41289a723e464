import { wait, type Clock } from '../clock.ts'
import type {
  Consumer,
  ConsumerStatus,
  Driver,
  Incoming,
  Partition,
  Sink,
  SubscribeOptions,
  TopicSubscription,
} from '../driver/driver-contract.ts'
import type { ConsumeTuning } from '../event-bus-options.ts'
import type { HoldStore } from '../hold/hold-store.ts'
import type { Observer } from '../signal.ts'
import type { Caution } from './caution/caution.ts'
import { needsMarks, PartitionMarks } from './caution/partition-marks.ts'
import { Delivery, type Settle } from './delivery.ts'
import { openEnvelope } from './envelope.ts'
import { persist } from './persist.ts'
import { Settlements } from './settlements.ts'
import type { SubscriptionRunner } from './subscription-runner.ts'
import { sinkWhile } from './sink-while.ts'
import { Watchdog } from './watchdog.ts'
import type { Envelope } from './work.ts'

export interface GroupConsumerOptions {
  readonly driver: Driver
  readonly subscribe: Omit<SubscribeOptions, 'topics'>
  readonly tuning: ConsumeTuning
  readonly newIdentity: () => string
  readonly clock: Clock
  readonly observe: Observer | undefined
  readonly hold: HoldStore | undefined
  /** As in Persistence, of calls to the hold store. */
  readonly failing: Map<unknown, unknown>
  /** Closing has run out of time. */
  readonly signal: AbortSignal
}

/** What is known of a partition while it is ours. */
interface Held {
  readonly partition: Partition
  unsettled: number
  /** One for each reason to pause it; empty: it flows. */
  readonly pauses: Set<object>
  isLeaving: boolean
  /** While the window is full. */
  full: { readonly resume: () => void; cancelSpill: () => void } | undefined
}

/** How long the close of a consumer that was given up is waited for. */
const longestCloseMs = 5000

/** The consumer of one group on one broker: hands messages to the subscriptions, keeps the windows, settles. */
export class GroupConsumer implements Sink {
  readonly #options: GroupConsumerOptions
  readonly #runners = new Map<string, SubscriptionRunner[]>()
  readonly #ordered = new Map<string, boolean>()
  readonly #partitions = new Map<Partition, Held>()
  readonly #settlements: Settlements
  readonly #watchdog: Watchdog
  /** Only where the broker does not notice by itself what ends a process. */
  readonly #marks: PartitionMarks | undefined
  #consumer: Consumer | undefined
  /** What the driver is told as soon as it has given its consumer: it may hand over messages before that. */
  #untold: ((consumer: Consumer) => void)[] = []
  /** Grows when a consumer is given up: whatever that one says later is void. */
  #era = 0
  #progressAt: number | undefined
  #isStopped = false
  #status: ConsumerStatus = { is: 'running' }

  constructor(options: GroupConsumerOptions) {
    this.#options = options
    this.#settlements = new Settlements(what => this.#tell(what), options.observe)
    this.#watchdog = new Watchdog({
      clock: options.clock,
      stalledAfterMs: options.tuning.stalledAfterMs,
      lag: async () => this.#consumer?.lag(),
      isIdle: partition => this.#isIdle(partition),
      progressAt: () => this.#progressAt,
      onStalled: (partition, lag) => this.#rebuild(partition, lag),
    })
    this.#marks = this.#openMarks()
  }

  #openMarks(): PartitionMarks | undefined {
    const { driver, hold, subscribe, tuning, newIdentity, observe } = this.#options
    if (hold === undefined || !needsMarks(driver.capabilities, hold)) return undefined
    return new PartitionMarks({
      ...this.#options,
      store: hold,
      group: subscribe.group,
      owner: subscribe.member,
      newToken: newIdentity,
      window: tuning.window,
      isBrokerDurable: driver.capabilities.durable,
      lag: async () => this.#consumer?.lag(),
      isIdle: partition => this.#isIdle(partition),
      onFailure: error => observe?.({ is: 'store-unavailable', store: 'hold', error }),
    })
  }

  status(status: ConsumerStatus): void {
    this.#status = status
    this.#options.observe?.({ is: 'consumer', driver: this.#options.driver.name, status })
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
    if (known === undefined) return this.#addTopic(topic, runner)
    await runner.assigned()
    if (ordered && this.#ordered.get(topic) === false) {
      await this.#consumer?.extend([{ topic, ordered }])
      this.#ordered.set(topic, true)
    }
    known.push(runner)
  }

  async #addTopic(topic: string, runner: SubscriptionRunner): Promise<void> {
    const { ordered } = runner.subscription
    this.#runners.set(topic, [runner])
    this.#ordered.set(topic, ordered)
    try {
      await this.#consumer?.extend([{ topic, ordered }])
    } catch (error) {
      // The next subscription on it is to try again.
      this.#runners.delete(topic)
      this.#ordered.delete(topic)
      throw error
    }
  }

  async start(): Promise<void> {
    await this.#join()
    if (!this.#isStopped) this.#watchdog.start()
  }

  /** Takes no more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#watchdog.stop()
    for (const { full } of this.#partitions.values()) full?.cancelSpill()
    await this.#consumer?.stop()
  }

  /** Nothing of any partition runs any longer. */
  async closeMarks(): Promise<void> {
    await this.#marks?.closeAll()
  }

  /** How to treat what comes from a partition; undefined: as usual. */
  cautionOf(partition: Partition | undefined): Caution | undefined {
    return this.#marks?.cautionOf(partition)
  }

  /** Settles what is decided, hands back the rest. */
  async close(): Promise<void> {
    this.#isStopped = true
    this.#settlements.flush()
    await this.#consumer?.close()
    this.#partitions.clear()
  }

  async assigned(partition: Partition): Promise<void> {
    this.#partitions.set(partition, {
      partition,
      unsettled: 0,
      pauses: new Set(),
      isLeaving: false,
      full: undefined,
    })
    const { affinity } = this.#options.driver.capabilities
    // Elsewhere what keeps no order is shared by several members at once.
    const hasOneOwner = affinity === 'partition' || this.#ordered.get(partition.topic) === true
    await Promise.all([
      hasOneOwner ? this.#marks?.open(partition) : undefined,
      ...this.#runnersOf(partition).map(runner => runner.assigned()),
    ])
    this.#observePartition('assigned', partition)
  }

  async revoked(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    const held = this.#partitions.get(partition)
    if (held === undefined) return
    held.isLeaving = true
    held.full?.cancelSpill()
    // Settling is void from now on.
    if (how === 'lost') this.#partitions.delete(partition)
    await Promise.all(this.#runnersOf(partition).map(runner => runner.leave(partition, how)))
    this.#settlements.flush()
    this.#partitions.delete(partition)
    const closed = this.#marks?.close(partition)
    // Whoever has it next looks for the mark; of a lost partition he may have done so already.
    if (how === 'drain') await closed
    this.#observePartition('revoked', partition, how)
  }

  messages(batch: readonly Incoming[]): void {
    // Unsettled, they go back with everything else that is.
    if (this.#isStopped) return
    this.#progressAt = this.#options.clock.monotonic()
    const arrivals = new Map<SubscriptionRunner, Delivery[]>()
    for (const incoming of batch) {
      const held = this.#partitions.get(incoming.partition)
      if (held === undefined || held.isLeaving) continue
      this.#arrive(incoming, held, arrivals)
      if (held.unsettled >= this.#options.tuning.window) this.#fill(held)
    }
    for (const [runner, arrived] of arrivals) runner.accept(arrived)
  }

  lost(batch: readonly Incoming[]): void {
    const dead = new Set(batch)
    const runners = new Set(batch.flatMap(({ partition }) => this.#runnersOf(partition)))
    // Several subscriptions may wait for one delivery.
    const deliveries = new Set([...runners].flatMap(runner => runner.lost(dead)))
    for (const { incoming, partition } of deliveries) {
      const held = this.#partitions.get(partition)
      if (held === undefined) continue
      this.#leaveWindow(held)
      this.cautionOf(partition)?.lost(incoming)
    }
  }

  /** Stops the flow of a partition for a reason of its own; flows again when every reason is gone. */
  pause(partition: Partition, why: string): () => void {
    const held = this.#partitions.get(partition)
    if (held === undefined) return () => undefined
    if (held.pauses.size === 0) {
      this.#tell(consumer => consumer.pause(partition))
      this.#observePartition('paused', partition, why)
    }
    const reason = {}
    held.pauses.add(reason)
    return () => {
      if (!held.pauses.delete(reason) || held.pauses.size > 0 || held.isLeaving) return
      this.#tell(consumer => consumer.resume(partition))
      this.#observePartition('resumed', partition)
    }
  }

  #arrive(incoming: Incoming, held: Held, arrivals: Map<SubscriptionRunner, Delivery[]>): void {
    const envelope = openEnvelope(incoming, this.#options.newIdentity)
    const runners = this.#runnersOf(incoming.partition)
    const concerned =
      runners.length === 1 && concerns(runners[0]!, envelope)
        ? runners
        : runners.filter(runner => concerns(runner, envelope))
    const caution = this.cautionOf(incoming.partition)
    caution?.arrived(incoming)
    if (concerned.length === 0) {
      caution?.settled(incoming)
      return this.#settlements.add(incoming, { is: 'acknowledge', durable: true })
    }
    const delivery = new Delivery(incoming, envelope, concerned.length, this.#settle)
    held.unsettled++
    for (const runner of concerned) {
      const arrived = arrivals.get(runner)
      if (arrived === undefined) arrivals.set(runner, [delivery])
      else arrived.push(delivery)
    }
  }

  /** One for all deliveries. */
  readonly #settle: Settle = ({ incoming }, settlement) => {
    const held = this.#partitions.get(incoming.partition)
    if (held === undefined) return
    this.#progressAt = this.#options.clock.monotonic()
    this.#settlements.add(incoming, settlement)
    this.#leaveWindow(held)
    this.cautionOf(incoming.partition)?.settled(incoming)
  }

  #fill(held: Held): void {
    if (held.full !== undefined) return
    const { tuning, clock } = this.#options
    const later = (): (() => void) => clock.after(tuning.spillAfterMs, spill, 'background')
    const spill = (): void => {
      full.cancelSpill = later()
      for (const runner of this.#runnersOf(held.partition)) void runner.spill(held.partition, tuning.window / 2)
    }
    const full = { resume: this.pause(held.partition, 'window'), cancelSpill: later() }
    held.full = full
  }

  #leaveWindow(held: Held): void {
    held.unsettled--
    if (held.full === undefined || held.unsettled > this.#options.tuning.window / 2) return
    held.full.cancelSpill()
    held.full.resume()
    held.full = undefined
  }

  /** Nothing of it is here: neither unsettled nor paused. */
  #isIdle(partition: Partition): boolean {
    const held = this.#partitions.get(partition)
    return held === undefined || (held.unsettled === 0 && held.pauses.size === 0)
  }

  /** Lag without progress: the client sits dead behind a healthy face. */
  async #rebuild(partition: Partition, lag: number): Promise<void> {
    const { observe, driver, clock, signal } = this.#options
    observe?.({ is: 'stalled', driver: driver.name, topic: partition.topic, partition: partition.id, lag })
    const stalled = this.#consumer
    this.#settlements.flush()
    this.#era++
    this.#consumer = undefined
    this.#untold = []
    await Promise.all([...this.#partitions.keys()].map(held => this.revoked(held, 'lost')))
    if (stalled !== undefined) await this.#giveUp(stalled)
    await persist(() => this.#join(), {
      clock,
      signal,
      onFailure: error => this.status({ is: 'reconnecting', error }),
    })
  }

  /** Also takes part in what was added meanwhile. A consumer that comes after `stop` is closed at once. */
  async #join(): Promise<void> {
    const { driver, subscribe } = this.#options
    const era = ++this.#era
    const told = new Map(this.#ordered)
    const options = { ...subscribe, topics: topicsOf(told) }
    const consumer = await driver.subscribe(
      options,
      sinkWhile(this, () => this.#era === era),
    )
    try {
      for (let added = this.#addedTo(told); added.length > 0 && !this.#isStopped; added = this.#addedTo(told)) {
        await consumer.extend(added)
      }
    } catch (error) {
      await this.#giveUp(consumer)
      throw error
    }
    if (this.#isStopped) return this.#giveUp(consumer)
    this.#consumer = consumer
    const untold = this.#untold
    this.#untold = []
    for (const what of untold) what(consumer)
  }

  /** Topics that the driver has not been told of as they are now; from now on it has. */
  #addedTo(told: Map<string, boolean>): readonly TopicSubscription[] {
    const added = [...this.#ordered].filter(([topic, isOrdered]) => told.get(topic) !== isOrdered)
    for (const [topic, ordered] of added) told.set(topic, ordered)
    return topicsOf(added)
  }

  /** A client that is dead may not even be able to say so. */
  async #giveUp(consumer: Consumer): Promise<void> {
    const ended = new AbortController()
    const closed = consumer.close().then(
      () => ended.abort(),
      () => ended.abort(),
    )
    await Promise.race([closed, wait(this.#options.clock, longestCloseMs, ended.signal)])
  }

  #tell(what: (consumer: Consumer) => void): void {
    if (this.#consumer === undefined) this.#untold.push(what)
    else what(this.#consumer)
  }

  #runnersOf(partition: Partition): readonly SubscriptionRunner[] {
    return this.#runners.get(partition.topic) ?? []
  }

  #observePartition(is: 'assigned' | 'revoked' | 'paused' | 'resumed', partition: Partition, why?: string): void {
    const { topic, id } = partition
    this.#options.observe?.({ is, topic, partition: id, ...(why === undefined ? {} : { why }) })
  }
}

/** What cannot be read is dead for all of them. */
function concerns({ subscription }: SubscriptionRunner, { problem, attributes }: Envelope): boolean {
  return problem !== undefined || subscription.handlers.has(attributes.type)
}

function topicsOf(ordered: Iterable<readonly [topic: string, ordered: boolean]>): readonly TopicSubscription[] {
  return Array.from(ordered, ([topic, isOrdered]) => ({ topic, ordered: isOrdered }))
}
