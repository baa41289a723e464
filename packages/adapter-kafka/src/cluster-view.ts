import type {
  ClusterMetadata,
  KafkaConnection,
  KafkaNode,
  PartitionMetadata,
  Place,
  TopicMetadata,
} from './client/kafka-client.ts'
import { kafkaError, KafkaRequestError } from './client/kafka-error.ts'

export interface ClusterViewOptions {
  readonly connection: KafkaConnection
  /** How old what is known may become: so late are new partitions noticed. */
  readonly maxAgeMs: number
}

/** What is known of topics, partitions and leaders: asked once for all who want to know, and again when it is old. */
export class ClusterView {
  readonly #options: ClusterViewOptions
  readonly #wanted = new Set<string>()
  #metadata: ClusterMetadata | undefined
  #loadedAt = 0
  #isStale = true
  #loading: Promise<void> | undefined

  constructor(options: ClusterViewOptions) {
    this.#options = options
  }

  get controller(): KafkaNode | undefined {
    return this.#metadata?.controller
  }

  /** Undefined for a topic that is not there, or not known yet. By id. */
  partitionsOf(topic: string): readonly PartitionMetadata[] | undefined {
    const found = this.#topic(topic)
    return found === undefined || found.partitions.length === 0 ? undefined : found.partitions
  }

  /** Undefined while the partition has no leader. */
  leaderOf({ topic, partition }: Place): KafkaNode | undefined {
    const leader = this.#topic(topic)?.partitions[partition]?.leader
    return leader === undefined ? undefined : this.#metadata?.nodes.get(leader)
  }

  node(id: number): KafkaNode | undefined {
    return this.#metadata?.nodes.get(id)
  }

  /** Whether the cluster said that there is no such topic. */
  isMissing(topic: string): boolean {
    return this.#metadata?.topics.get(topic)?.errorCode === kafkaError.unknownTopicOrPartition
  }

  errorCodeOf(topic: string): number {
    return this.#metadata?.topics.get(topic)?.errorCode ?? kafkaError.none
  }

  /** Whether `load` would have nothing to ask. */
  knows(topics: Iterable<string>): boolean {
    if (this.#isStale || performance.now() - this.#loadedAt > this.#options.maxAgeMs) return false
    for (const topic of topics) if (this.#topic(topic) === undefined) return false
    return true
  }

  /** The next `load` asks. */
  outdate(): void {
    this.#isStale = true
  }

  /**
   * Asks for what is not known or old.
   * @throws KafkaRequestError
   */
  async load(topics: readonly string[], timeoutMs: number): Promise<void> {
    for (const topic of topics) this.#wanted.add(topic)
    const until = performance.now() + timeoutMs
    // What is under way may have begun before one of these was wanted.
    while (!this.#covers(topics)) {
      const leftMs = until - performance.now()
      if (leftMs <= 0) throw notInTime()
      await within(this.#ask(leftMs), leftMs)
    }
  }

  /** Nothing is asked about it any more. */
  forget(topic: string): void {
    this.#wanted.delete(topic)
  }

  #covers(topics: readonly string[]): boolean {
    const metadata = this.#metadata
    if (metadata === undefined || this.#isStale) return false
    if (performance.now() - this.#loadedAt > this.#options.maxAgeMs) return false
    return topics.every(topic => metadata.topics.has(topic))
  }

  #ask(timeoutMs: number): Promise<void> {
    this.#loading ??= this.#load(timeoutMs).finally(() => (this.#loading = undefined))
    return this.#loading
  }

  async #load(timeoutMs: number): Promise<void> {
    this.#isStale = false
    try {
      const metadata = await this.#options.connection.metadata([...this.#wanted], timeoutMs)
      this.#metadata = {
        ...metadata,
        topics: new Map(Array.from(metadata.topics, ([name, one]) => [name, sorted(one)])),
      }
      this.#loadedAt = performance.now()
    } catch (error) {
      this.#isStale = true
      throw error
    }
  }

  #topic(name: string): TopicMetadata | undefined {
    const topic = this.#metadata?.topics.get(name)
    // A topic some partitions of which have no leader is there all the same.
    const isThere = topic?.errorCode === kafkaError.none || topic?.errorCode === kafkaError.leaderNotAvailable
    return isThere ? topic : undefined
  }
}

/** Who asked first may be more patient. */
function within(asking: Promise<void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(notInTime()), timeoutMs)
    asking.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function notInTime(): KafkaRequestError {
  return new KafkaRequestError('unsent', 'metadata: no answer in time')
}

/** Ids are 0, 1, 2, … */
function sorted(topic: TopicMetadata): TopicMetadata {
  return { ...topic, partitions: topic.partitions.toSorted((one, other) => one.id - other.id) }
}
