import type { ErrorCode, FetchedPart, FetchPart, KafkaConnection, KafkaNode } from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError, KafkaRequestError, type RequestFailure } from '../client/kafka-error.ts'
import { nameOf } from '../client/places.ts'
import type { ClusterView } from '../cluster-view.ts'
import { isStaleMetadata } from '../kafka-failures.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import { Backoff } from './backoff.ts'
import type { ConsumerHealth } from './consumer-health.ts'

export interface FetcherOptions {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly health: ConsumerHealth
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly maxBytesPerPartition: number
  readonly rack: string
  readonly requestTimeoutMs: number
  partitions(): Iterable<AssignedPartition>
  /** Something was fetched of these, all in one answer. */
  fetched(partitions: readonly AssignedPartition[]): void
  /** The place where this partition stands is not kept, or not there yet. */
  outOfRange(partition: AssignedPartition): void
}

/** How long a partition with an error rests. */
const REST_MS = 250
/** What cannot be mended soon is looked at so often. */
const LONG_REST_MS = 5000
/** A partition whose buffer is full is expected back soon; others must not make it wait for their own next message. */
const SHORT_WAIT_MS = 10
const SOON_MS = 1000
/** A connection that is lost so often is lost by what it brings. */
const FAILURES_IN_A_ROW = 3

/** Brings messages: for each node that leads something of ours, one request after the other. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #loops = new Set<number>()
  readonly #backoff = new Backoff()
  /** In a row, by node. */
  readonly #failures = new Map<number, number>()
  #looking: NodeJS.Timeout | undefined
  #isRefreshing = false
  #isStopped = false

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** Some partition may be fetched that could not be before. */
  wake(): void {
    if (this.#isStopped) return
    const now = performance.now()
    let next = Infinity
    for (const partition of this.#options.partitions()) {
      if (!partition.canFetch) continue
      if (partition.fetchAfter > now) next = Math.min(next, partition.fetchAfter)
      else this.#fetchFrom(partition)
    }
    this.#lookAgain(next - now)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#looking)
  }

  #fetchFrom(partition: AssignedPartition): void {
    const node = this.#nodeOf(partition)
    if (node === undefined) return void this.#refresh()
    if (this.#loops.has(node.id)) return
    this.#loops.add(node.id)
    void this.#loop(node.id).finally(() => {
      this.#loops.delete(node.id)
      this.wake()
    })
  }

  /** Ends when there is nothing to fetch from this node. */
  async #loop(id: number): Promise<void> {
    for (;;) {
      const node = this.#options.view.node(id)
      const wanted = node === undefined ? [] : this.#wantedFrom(id)
      if (node === undefined || wanted.length === 0 || this.#isStopped) return
      const asked = wanted.map(({ nextFetch }) => nextFetch)
      try {
        const parts = await this.#fetch(node, wanted)
        if (this.#isStopped) return
        this.#backoff.succeeded()
        this.#failures.delete(id)
        for (const partition of wanted) partition.isSuspect = false
        this.#options.health.report(`fetch ${id}`, { is: 'running' })
        this.#take(wanted, asked, parts)
      } catch (error) {
        if (this.#isStopped) return
        this.#failed(id, wanted, error)
        return
      }
    }
  }

  #wantedFrom(id: number): readonly AssignedPartition[] {
    const now = performance.now()
    const wanted = [...this.#options.partitions()].filter(
      partition => partition.canFetch && partition.fetchAfter <= now && this.#nodeOf(partition)?.id === id,
    )
    const suspect = wanted.find(({ isSuspect }) => isSuspect)
    return suspect === undefined ? wanted : [suspect]
  }

  #fetch(node: KafkaNode, wanted: readonly AssignedPartition[]): Promise<readonly FetchedPart[]> {
    const { connection, maxWaitMs, maxBytes, maxBytesPerPartition, rack, requestTimeoutMs } = this.#options
    const parts = wanted.map(({ topic, partition, nextFetch: offset }): FetchPart => ({
      topic,
      partition,
      offset,
      maxBytes: maxBytesPerPartition,
    }))
    const now = performance.now()
    const isExpected = [...this.#options.partitions()].some(
      partition => partition.isLive && partition.isFull && now - partition.fullSince < SOON_MS,
    )
    const waitMs = isExpected || wanted[0]?.isSuspect === true ? Math.min(SHORT_WAIT_MS, maxWaitMs) : maxWaitMs
    // Those that got nothing this time are the first next time: a broker fills its answer in the order asked for.
    return connection.fetch(node, { maxWaitMs: waitMs, maxBytes, rack, parts }, waitMs + requestTimeoutMs)
  }

  #take(wanted: readonly AssignedPartition[], asked: readonly number[], parts: readonly FetchedPart[]): void {
    const byName = new Map(wanted.map((partition, index) => [nameOf(partition), { partition, asked: asked[index]! }]))
    const fetched: AssignedPartition[] = []
    for (const part of parts) {
      const one = byName.get(nameOf(part))
      if (one === undefined || !one.partition.isLive) continue
      if (part.errorCode !== kafkaError.none) this.#partFailed(one.partition, part.errorCode)
      else {
        if (part.preferredReplica >= 0) one.partition.preferredReplica = part.preferredReplica
        one.partition.arrived(part, one.asked)
        if (part.records.length > 0) fetched.push(one.partition)
        this.#options.health.report(nameOf(part), { is: 'running' })
      }
    }
    if (fetched.length > 0) this.#options.fetched(fetched)
  }

  #partFailed(partition: AssignedPartition, errorCode: ErrorCode): void {
    const { health, view } = this.#options
    partition.fetchAfter = performance.now() + REST_MS
    const isNearer = partition.preferredReplica >= 0
    // What a nearer replica does not have, or no longer is, the leader knows best.
    partition.preferredReplica = -1
    if (errorCode === kafkaError.offsetOutOfRange) return isNearer ? undefined : this.#options.outOfRange(partition)
    if (isStaleMetadata(errorCode)) {
      view.outdate()
      void this.#refresh()
      return
    }
    const error = new KafkaBrokerError(errorCode, `fetch from ${nameOf(partition)}`)
    const isRefused = errorCode === kafkaError.topicAuthorizationFailed
    if (isRefused) partition.fetchAfter = performance.now() + LONG_REST_MS
    health.report(nameOf(partition), { is: isRefused ? 'fatal' : 'degraded', error })
  }

  #failed(id: number, wanted: readonly AssignedPartition[], error: unknown): void {
    const failure = error instanceof KafkaRequestError ? error.failure : 'unsupported'
    const isFatal = failure === 'denied' || failure === 'unsupported'
    const isAlone = wanted.every(({ isSuspect }) => isSuspect)
    const source = isAlone && failure === 'unsupported' ? nameOf(wanted[0]!) : `fetch ${id}`
    this.#options.health.report(source, { is: isFatal ? 'fatal' : 'reconnecting', error })
    const fetchAfter = performance.now() + (isFatal ? LONG_REST_MS : this.#backoff.nextMs())
    const isOneToBlame = !isAlone && this.#isOneToBlame(id, failure)
    for (const partition of wanted) {
      partition.fetchAfter = isOneToBlame ? 0 : fetchAfter
      partition.isSuspect ||= isOneToBlame
      partition.preferredReplica = -1
    }
    this.#options.view.outdate()
    void this.#refresh()
  }

  /**
   * Whether the answer may fail for one partition's sake: a batch that nobody here can read, by its codec or at all. Then each
   * is asked for by itself, so that it holds up no other.
   */
  #isOneToBlame(id: number, failure: RequestFailure): boolean {
    const failures = (this.#failures.get(id) ?? 0) + 1
    this.#failures.set(id, failures)
    return failure === 'unsupported' || (failure === 'unanswered' && failures >= FAILURES_IN_A_ROW)
  }

  #nodeOf(partition: AssignedPartition): KafkaNode | undefined {
    const { view } = this.#options
    const nearer = partition.preferredReplica < 0 ? undefined : view.node(partition.preferredReplica)
    return nearer ?? view.leaderOf(partition)
  }

  /** Looks for the leaders of what nobody knows, again and again while there is something to fetch. */
  async #refresh(): Promise<void> {
    if (this.#isRefreshing || this.#isStopped) return
    this.#isRefreshing = true
    const { view, requestTimeoutMs } = this.#options
    const topics = new Set([...this.#options.partitions()].map(({ topic }) => topic))
    try {
      await view.load([...topics], requestTimeoutMs)
    } catch {
      // The next look comes after a rest.
    }
    this.#isRefreshing = false
    const isLeaderless = [...this.#options.partitions()].some(one => one.canFetch && this.#nodeOf(one) === undefined)
    if (isLeaderless) view.outdate()
    if (isLeaderless || !view.knows([])) this.#lookAgain(REST_MS)
    else this.wake()
  }

  #lookAgain(afterMs: number): void {
    clearTimeout(this.#looking)
    if (this.#isStopped || afterMs === Infinity) return
    this.#looking = setTimeout(() => this.wake(), Math.max(1, afterMs))
  }
}
