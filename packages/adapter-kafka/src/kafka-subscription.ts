import { systemClock, wait } from '@mekong/core/driver'
import type {
  Consumer,
  Incoming,
  Lag,
  Partition,
  Settlement,
  Sink,
  StartPosition,
  SubscribeOptions,
  TopicSubscription,
} from '@mekong/core/driver'
import type { KafkaClient, KafkaConnection, Place } from './client/kafka-client.ts'
import { kafkaError, KafkaBrokerError, KafkaRequestError } from './client/kafka-error.ts'
import { nameOf } from './client/places.ts'
import { ClusterView } from './cluster-view.ts'
import { AssignedPartition } from './group/assigned-partition.ts'
import { Backoff } from './group/backoff.ts'
import { Commits } from './group/commits.ts'
import { ConsumerHealth } from './group/consumer-health.ts'
import { declareGroup } from './group/declared-group.ts'
import { Fetcher } from './group/fetcher.ts'
import { Membership } from './group/membership.ts'
import { Offsets, type ResolvedStart } from './group/offsets.ts'
import { TopicWatch } from './group/topic-watch.ts'
import type { ConsumerTuning } from './kafka-driver-options.ts'
import { isPassingAnswer, isRebalance, isStaleCoordinator } from './kafka-failures.ts'
import { KafkaIncoming } from './kafka-message.ts'

export interface KafkaConsumerOptions {
  readonly client: KafkaClient
  readonly subscribe: SubscribeOptions
  readonly sink: Sink
  readonly tuning: ConsumerTuning
  readonly onClose: (consumer: Consumer) => void
}

/**
 * Joins the group; resolves when the cluster was asked who keeps it.
 * @throws KafkaRequestError when it refuses the credentials or speaks another protocol; what passes is tried again behind it
 */
export async function subscribeToKafka(options: KafkaConsumerOptions): Promise<Consumer> {
  const consumer = new KafkaConsumer(options)
  try {
    await consumer.start()
    return consumer
  } catch (error) {
    await consumer.close()
    throw error
  }
}

/** How long a close waits for the last commit. */
const LAST_COMMIT_MS = 5000

/** One member of a group on any number of topics. */
class KafkaConsumer implements Consumer {
  readonly #options: KafkaConsumerOptions
  readonly #connection: KafkaConnection
  readonly #view: ClusterView
  readonly #health: ConsumerHealth
  readonly #membership: Membership
  readonly #offsets: Offsets
  readonly #commits: Commits
  readonly #fetcher: Fetcher
  readonly #watch: TopicWatch
  readonly #topics: Set<string>
  /** Of the topics, those that did not exist when this member asked for them, or not any more. */
  readonly #seenMissing = new Set<string>()
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #byHandle = new Map<Partition, AssignedPartition>()
  /** To be handed over in the next turn of the event loop. */
  readonly #ready = new Set<AssignedPartition>()
  #epoch = 0
  #isStopped = false
  #isClosed = false

  constructor(options: KafkaConsumerOptions) {
    const { client, subscribe, tuning } = options
    const { group } = subscribe
    const { requestTimeoutMs } = tuning
    this.#options = options
    this.#topics = new Set(subscribe.topics.map(({ topic }) => topic))
    const connection = client.connect()
    const view = new ClusterView({ connection, maxAgeMs: tuning.metadataMaxAgeMs })
    const health = new ConsumerHealth(status => {
      if (!this.#isClosed) options.sink.status(status)
    })
    this.#connection = connection
    this.#view = view
    this.#health = health
    const { sessionTimeoutMs, rebalanceTimeoutMs, heartbeatIntervalMs } = tuning
    this.#membership = new Membership({
      group,
      connection,
      connect: () => client.connect(),
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      heartbeatIntervalMs,
      requestTimeoutMs,
      events: {
        topics: () => [...this.#topics],
        partitions: topics => this.#countPartitions(topics),
        owned: () => [...this.#partitions.values()],
        assigned: places => this.#assigned(places),
        revoked: places => this.#revoked(places),
        lost: () => this.#lost(),
        status: status => health.report('group', status),
      },
    })
    this.#offsets = new Offsets({ connection, view, group, requestTimeoutMs })
    this.#commits = new Commits({
      connection,
      membership: this.#membership,
      health,
      intervalMs: tuning.commitIntervalMs,
      requestTimeoutMs,
    })
    this.#fetcher = new Fetcher({
      ...tuning,
      connection,
      view,
      health,
      partitions: () => this.#partitions.values(),
      fetched: partitions => this.#handOver(partitions),
      outOfRange: partition => void this.#outOfRange(partition),
    })
    this.#watch = new TopicWatch({
      view,
      health,
      requestTimeoutMs,
      topics: () => this.#topics,
      led: () => this.#membership.topicsLed(),
      changed: () => this.#membership.rejoin(),
      gone: topic => this.#missing(topic),
    })
  }

  async start(): Promise<void> {
    await this.#membership.coordinator().catch((error: unknown) => {
      if (error instanceof KafkaRequestError && !isPassing(error)) throw error
    })
    await this.#declare([...this.#topics])
    this.#membership.start()
    this.#watch.start()
  }

  /**
   * `latest` is here, not where somebody comes to a partition. While the cluster cannot be reached there is no here: then it
   * is there.
   */
  async #declare(topics: readonly string[]): Promise<void> {
    const { group, from } = this.#options.subscribe
    if (from !== 'latest') return
    const view = this.#view
    const { requestTimeoutMs } = this.#options.tuning
    try {
      await view.load(topics, requestTimeoutMs)
      for (const topic of topics) if (view.isMissing(topic)) this.#missing(topic)
      const there = topics.filter(topic => view.partitionsOf(topic) !== undefined)
      if (there.length === 0) return
      await declareGroup({ connection: this.#connection, view, group, requestTimeoutMs }, there)
    } catch (error) {
      if (!isPassing(error)) throw error
    }
  }

  /** Whatever it holds when it is made was published since. */
  #missing(topic: string): void {
    this.#seenMissing.add(topic)
  }

  settle(batch: readonly Incoming[], settlement: Settlement): void {
    const touched = new Set<AssignedPartition>()
    for (const incoming of batch) {
      if (!(incoming instanceof KafkaIncoming) || !incoming.isOpen) continue
      incoming.isOpen = false
      const partition = this.#byHandle.get(incoming.partition)
      if (partition === undefined || partition.isLost) continue
      if (settlement.is === 'acknowledge') partition.settle(incoming)
      else this.#giveBack(partition, incoming, settlement.afterMs)
      touched.add(partition)
    }
    for (const partition of touched) {
      this.#commits.touch(partition)
      if (partition.canHandOver) this.#handOverSoon(partition)
    }
  }

  pause(handle: Partition): void {
    const partition = this.#byHandle.get(handle)
    if (partition !== undefined) partition.isPaused = true
  }

  resume(handle: Partition): void {
    const partition = this.#byHandle.get(handle)
    if (partition === undefined) return
    partition.isPaused = false
    this.#handOverSoon(partition)
  }

  async extend(topics: readonly TopicSubscription[]): Promise<void> {
    if (this.#isClosed) throw new KafkaRequestError('closed', 'this consumer was closed')
    const added = topics.filter(({ topic }) => !this.#topics.has(topic))
    for (const { topic } of added) this.#topics.add(topic)
    if (added.length === 0) return
    await this.#declare(added.map(({ topic }) => topic))
    this.#membership.rejoin()
  }

  async seek(handle: Partition, to: { readonly position: string } | { readonly time: number }): Promise<void> {
    const partition = this.#byHandle.get(handle)
    const what = `seek of ${handle.topic}/${handle.id}`
    if (partition === undefined || partition.isLost) throw new KafkaBrokerError(kafkaError.illegalGeneration, what)
    const offset = 'position' in to ? Number(to.position) : await this.#offsetAt(partition, to.time)
    if (!Number.isSafeInteger(offset) || offset < 0) throw new KafkaBrokerError(kafkaError.offsetOutOfRange, what)
    this.#moveTo(partition, offset)
  }

  async lag(): Promise<ReadonlyMap<Partition, Lag>> {
    const partitions = [...this.#partitions.values()].filter(partition => partition.isLive && !partition.hasFailed)
    const ends = await this.#offsets.list(partitions.map(placed).map(place => ({ ...place, at: 'latest' as const })))
    return new Map(
      partitions.map((partition, index) => [
        partition.handle,
        { messages: Math.max(0, ends[index]! - partition.position) },
      ]),
    )
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#fetcher.stop()
    this.#watch.stop()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    await this.stop()
    this.#isClosed = true
    const over = new AbortController()
    await Promise.race([this.#commitAll(over.signal), wait(systemClock, LAST_COMMIT_MS, over.signal)])
    over.abort()
    this.#commits.close()
    await this.#membership.close()
    await this.#connection.close()
    this.#partitions.clear()
    this.#byHandle.clear()
    this.#options.onClose(this)
  }

  async #countPartitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.#view.outdate()
    await this.#view.load(topics, this.#options.tuning.requestTimeoutMs)
    return new Map(
      topics.flatMap(topic => {
        const partitions = this.#view.partitionsOf(topic)
        return partitions === undefined ? [] : [[topic, partitions.length]]
      }),
    )
  }

  #assigned(places: readonly Place[]): void {
    const { window } = this.#options.subscribe
    const { maxBytesPerPartition, maxDistance } = this.#options.tuning
    const epoch = ++this.#epoch
    const added = places.map(
      place =>
        new AssignedPartition({
          place,
          epoch,
          maxBufferedMessages: window,
          maxBufferedBytes: maxBytesPerPartition,
          maxDistance,
        }),
    )
    for (const partition of added) this.#partitions.set(nameOf(partition), partition)
    void this.#begin(added)
  }

  /** Finds out where to begin, has the group remember it, and tells the bus. Tried until it works or they are gone. */
  async #begin(added: readonly AssignedPartition[]): Promise<void> {
    const backoff = new Backoff()
    const membership = this.#membership
    const coordination = { get: () => membership.coordinator(), moved: () => membership.coordinatorMoved() }
    for (;;) {
      const places = added.filter(partition => this.#isOurs(partition)).map(placed)
      if (places.length === 0) return
      try {
        const starts = await this.#offsets.resolve(places, topic => this.#beginningOf(topic), coordination)
        if (await this.#remember(starts)) return await this.#tell(added, starts)
      } catch (error) {
        this.#health.report('start', { is: 'reconnecting', error })
      }
      await wait(systemClock, backoff.nextMs())
    }
  }

  #beginningOf(topic: string): StartPosition {
    const { from } = this.#options.subscribe
    return from === 'latest' && this.#seenMissing.has(topic) ? 'earliest' : from
  }

  #isOurs(partition: AssignedPartition): boolean {
    return !this.#isClosed && !partition.isLost && !partition.isLeaving
  }

  /** Otherwise a group that begins at the end would begin at another end after a crash, and miss what came between. */
  async #remember(starts: readonly ResolvedStart[]): Promise<boolean> {
    const fresh = starts.filter(({ isCommitted }) => !isCommitted)
    const { member } = this.#membership
    if (fresh.length === 0) return true
    if (member === undefined) return false
    const offsets = fresh.map(({ place, offset, metadata }) => ({ ...place, offset, metadata }))
    const node = await this.#membership.coordinator()
    const { requestTimeoutMs } = this.#options.tuning
    const errorCodes = await this.#connection.commitOffsets(node, member, offsets, requestTimeoutMs)
    const refused = errorCodes.find(errorCode => errorCode !== kafkaError.none)
    if (refused === undefined) return true
    if (isStaleCoordinator(refused)) this.#membership.coordinatorMoved()
    if (isRebalance(refused)) return false
    throw new KafkaBrokerError(refused, `first offsets of group ${member.group}`)
  }

  async #tell(added: readonly AssignedPartition[], starts: readonly ResolvedStart[]): Promise<void> {
    this.#health.report('start', { is: 'running' })
    const byName = new Map(starts.map(start => [nameOf(start.place), start]))
    await Promise.all(
      added.map(async partition => {
        const start = byName.get(nameOf(partition))
        if (start !== undefined && (await this.#isTold(partition))) {
          partition.begin(start.offset, start.metadata)
          this.#fetcher.wake()
        }
      }),
    )
  }

  /** The bus may have to ask a store that is away: it is told again until it takes the partition, or that is gone. */
  async #isTold(partition: AssignedPartition): Promise<boolean> {
    const name = nameOf(partition)
    const backoff = new Backoff()
    while (this.#isOurs(partition)) {
      this.#byHandle.set(partition.handle, partition)
      const told = this.#options.sink.assigned(partition.handle)
      partition.told = told
      try {
        await told
        this.#health.report(name, { is: 'running' })
        return this.#isOurs(partition)
      } catch (error) {
        if (this.#isOurs(partition)) this.#health.report(name, { is: 'degraded', error })
        await wait(systemClock, backoff.nextMs())
      }
    }
    return false
  }

  /** Bounded by the time that the group gives: then the partition is lost to this member. */
  async #revoked(places: readonly Place[]): Promise<void> {
    const leaving = places.flatMap(place => this.#partitions.get(nameOf(place)) ?? [])
    for (const partition of leaving) partition.isLeaving = true
    const over = new AbortController()
    const drained = this.#drain(leaving, over.signal)
    await Promise.race([drained, wait(systemClock, this.#options.tuning.drainTimeoutMs, over.signal)])
    over.abort()
    for (const partition of leaving) {
      if (!partition.isDrained) this.#lose(partition)
      this.#forget(partition)
    }
  }

  async #drain(leaving: readonly AssignedPartition[], over: AbortSignal): Promise<void> {
    const { sink } = this.#options
    await Promise.allSettled(
      leaving.map(async partition => {
        await partition.told?.catch(() => undefined)
        if (over.aborted) return
        // What the bus fails to end is lost.
        if (partition.told !== undefined) await sink.revoked(partition.handle, 'drain')
        partition.isDrained = true
      }),
    )
    await this.#commitAll(over)
  }

  /** The group takes no commit while its members hear what they get, and none that reaches a broker that is away. */
  async #commitAll(over: AbortSignal): Promise<void> {
    const backoff = new Backoff()
    while (!over.aborted && !(await this.#commits.flush())) await wait(systemClock, backoff.nextMs(), over)
  }

  #lost(): void {
    for (const partition of this.#partitions.values()) {
      this.#lose(partition)
      this.#forget(partition)
    }
  }

  #lose(partition: AssignedPartition): void {
    if (partition.isLost) return
    partition.isLost = true
    if (partition.told === undefined || this.#isClosed) return
    const { sink } = this.#options
    sink.revoked(partition.handle, 'lost').catch((error: unknown) => {
      this.#health.report('lost', { is: 'degraded', error })
    })
  }

  #forget(partition: AssignedPartition): void {
    partition.isLost = true
    if (this.#partitions.get(nameOf(partition)) === partition) this.#partitions.delete(nameOf(partition))
    this.#byHandle.delete(partition.handle)
    this.#ready.delete(partition)
    this.#health.report(nameOf(partition), { is: 'running' })
  }

  /** Everything that there is of these, in one call: the bus asks its stores once for it. */
  #handOver(partitions: Iterable<AssignedPartition>): void {
    if (this.#isStopped) return
    const { window } = this.#options.subscribe
    const among = [...partitions]
    const batch = among.flatMap(partition => partition.take(window))
    if (batch.length > 0) this.#options.sink.messages(batch)
    for (const partition of among) if (partition.canHandOver) this.#handOverSoon(partition)
  }

  #handOverSoon(partition: AssignedPartition): void {
    this.#ready.add(partition)
    if (this.#ready.size > 1) return
    setImmediate(() => {
      const ready = [...this.#ready]
      this.#ready.clear()
      this.#handOver(ready)
      this.#fetcher.wake()
    })
  }

  #giveBack(partition: AssignedPartition, incoming: KafkaIncoming, afterMs: number): void {
    setTimeout(() => {
      if (!this.#isOurs(partition)) return
      partition.giveBack(incoming)
      this.#handOverSoon(partition)
    }, afterMs)
  }

  async #offsetAt(place: Place, time: number): Promise<number> {
    const [offset = -1] = await this.#offsets.list([{ ...placed(place), at: { time } }])
    return offset
  }

  #moveTo(partition: AssignedPartition, offset: number): void {
    const dead = partition.moveTo(offset)
    if (dead.length > 0) this.#options.sink.lost(dead)
    this.#commits.touch(partition)
    this.#fetcher.wake()
  }

  /** Never silent: what the group has not read may be gone. */
  async #outOfRange(partition: AssignedPartition): Promise<void> {
    const { outOfRange } = this.#options.tuning
    const wanted = partition.nextFetch
    const name = nameOf(partition)
    partition.hasFailed = true
    try {
      const [start, end] = await this.#extentOf(partition)
      if (!this.#isOurs(partition) || partition.nextFetch !== wanted) return
      const detail = `the group is at ${wanted}, kept are ${start} to ${end}; \`outOfRange\` decides: ${outOfRange}`
      const error = new KafkaBrokerError(kafkaError.offsetOutOfRange, `fetch from ${name}`, detail)
      this.#health.report(name, { is: outOfRange === 'fail' ? 'fatal' : 'degraded', error })
      if (outOfRange !== 'fail') this.#moveTo(partition, outOfRange === 'earliest' ? start : end)
    } catch (error) {
      if (!this.#isOurs(partition)) return
      // The next fetch, after a rest, finds it out of range again.
      this.#health.report(name, { is: 'reconnecting', error })
      partition.hasFailed = false
      this.#fetcher.wake()
    }
  }

  /** Kafka refuses to be asked twice about one partition in one request. */
  async #extentOf(partition: Place): Promise<readonly [start: number, end: number]> {
    const place = placed(partition)
    const [[start = 0], [end = 0]] = await Promise.all([
      this.#offsets.list([{ ...place, at: 'earliest' }]),
      this.#offsets.list([{ ...place, at: 'latest' }]),
    ])
    return [start, end]
  }
}

/** Refused credentials and unknown protocols do not pass by themselves. */
function isPassing(error: unknown): boolean {
  const failure = error instanceof KafkaRequestError ? error.failure : undefined
  return failure !== undefined ? failure !== 'denied' && failure !== 'unsupported' : isPassingAnswer(error)
}

function placed({ topic, partition }: Place): Place {
  return { topic, partition }
}
