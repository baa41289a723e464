import { systemClock, wait } from '@mekong/core/driver'
import type { TopicWish, TopologyDifference, TopologyWish } from '@mekong/core/driver'
import type { KafkaConnection, NewTopic, TopicConfiguration } from './client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from './client/kafka-error.ts'
import type { ClusterView } from './cluster-view.ts'
import { declareGroup, isGroupKnown } from './group/declared-group.ts'
import { Offsets } from './group/offsets.ts'
import type { KafkaTopicOptions } from './kafka-driver-options.ts'
import { isStaleMetadata } from './kafka-failures.ts'

export interface KafkaTopologyOptions {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly topics: readonly KafkaTopicOptions[]
  readonly requestTimeoutMs: number
}

/** How long a topic that was made may take to be known, with a leader for each partition. */
const SETTLE_MS = 15_000
const LOOK_AGAIN_AFTER_MS = 50

/** The broker's topics and groups beside what is wished for. What is there already is compared, and never changed. */
export class KafkaTopology {
  readonly #options: KafkaTopologyOptions

  constructor(options: KafkaTopologyOptions) {
    this.#options = options
  }

  /** @throws KafkaRequestError, KafkaBrokerError */
  async apply(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference> {
    const { view, requestTimeoutMs } = this.#options
    const names = wish.topics.map(({ name }) => name)
    if (names.length === 0) return this.#groups(wish, mode)
    view.outdate()
    await view.load(names, requestTimeoutMs)
    if (mode === 'create') await this.#create(wish.topics.filter(({ name }) => view.isMissing(name)))
    return [...(await this.#topics(wish.topics)), ...(await this.#groups(wish, mode))]
  }

  async #create(missing: readonly TopicWish[]): Promise<void> {
    const { connection, view, requestTimeoutMs } = this.#options
    if (missing.length === 0) return
    const { controller } = view
    if (controller === undefined) throw new KafkaBrokerError(kafkaError.leaderNotAvailable, 'topology: the controller')
    const topics = missing.map(topic => newTopic(topic, this.#optionsOf(topic.name)))
    const answers = await connection.createTopics(controller, topics, requestTimeoutMs)
    for (const [index, { errorCode, message }] of answers.entries()) {
      // Another process was quicker.
      if (errorCode === kafkaError.none || errorCode === kafkaError.topicAlreadyExists) continue
      if (errorCode === kafkaError.notController) view.outdate()
      throw new KafkaBrokerError(errorCode, `create topic ${topics[index]!.name}`, message)
    }
    await this.#settled(missing.map(({ name }) => name))
  }

  async #settled(names: readonly string[]): Promise<void> {
    const { view, requestTimeoutMs } = this.#options
    const until = performance.now() + SETTLE_MS
    const isThere = (name: string): boolean => view.partitionsOf(name)?.every(({ leader }) => leader >= 0) === true
    for (;;) {
      view.outdate()
      await view.load(names, requestTimeoutMs)
      if ((names.every(isThere) && (await this.#isServed(names))) || performance.now() > until) return
      await wait(systemClock, LOOK_AGAIN_AFTER_MS)
    }
  }

  /** A node is told that it leads a partition a little after everybody has heard so. */
  async #isServed(names: readonly string[]): Promise<boolean> {
    const { view } = this.#options
    const wishes = names.flatMap(topic =>
      (view.partitionsOf(topic) ?? []).map(({ id: partition }) => ({ topic, partition, at: 'latest' as const })),
    )
    try {
      await new Offsets({ ...this.#options, group: '' }).list(wishes)
      return true
    } catch (error) {
      if (error instanceof KafkaBrokerError && isStaleMetadata(error.code)) return false
      throw error
    }
  }

  async #topics(wishes: readonly TopicWish[]): Promise<TopologyDifference> {
    const { view } = this.#options
    const there = wishes.filter(({ name }) => view.partitionsOf(name) !== undefined)
    const configurations = await this.#configurations(there)
    return wishes.flatMap(wish => {
      const partitions = view.partitionsOf(wish.name)
      if (partitions === undefined) return [{ what: `topic ${wish.name}`, wished: 'exists', found: 'missing' }]
      const replicas = partitions.reduce((least, one) => Math.min(least, one.replicas), Infinity)
      return topicDifference(wish, this.#optionsOf(wish.name), {
        partitions: partitions.length,
        replicas,
        configuration: configurations.get(wish.name),
      })
    })
  }

  /** Asked for only where something is wished that can be told by it. */
  async #configurations(wishes: readonly TopicWish[]): Promise<ReadonlyMap<string, TopicConfiguration>> {
    const { connection, view, requestTimeoutMs } = this.#options
    const names = wishes
      .filter(wish => Object.keys(newTopic(wish, this.#optionsOf(wish.name)).configuration).length > 0)
      .map(({ name }) => name)
    const node = view.controller
    if (names.length === 0 || node === undefined) return new Map()
    const answers = await connection.describeTopics(node, names, requestTimeoutMs)
    return new Map(names.map((name, index) => [name, answers[index]!]))
  }

  async #groups(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference> {
    const { connection, view, requestTimeoutMs } = this.#options
    const differences = []
    for (const { name, topics } of wish.groups) {
      const parts = { connection, view, requestTimeoutMs, group: name }
      const there = topics.filter(topic => view.partitionsOf(topic) !== undefined)
      if (there.length > 0 && mode === 'create') await declareGroup(parts, there)
      const known = mode === 'create' || there.length === 0 ? new Set(there) : await isGroupKnown(parts, there)
      for (const topic of topics) {
        if (known.has(topic)) continue
        differences.push({ what: `group ${name}`, wished: `takes part in ${topic}`, found: 'unknown' })
      }
    }
    return differences
  }

  #optionsOf(name: string): KafkaTopicOptions | undefined {
    return this.#options.topics.find(({ match }) =>
      typeof match === 'string'
        ? match === name
        : new RegExp(`^(?:${match.source})$`, match.flags.replace('g', '')).test(name),
    )
  }
}

function newTopic(wish: TopicWish, options: KafkaTopicOptions | undefined): NewTopic {
  return {
    name: wish.name,
    partitions: wish.partitions ?? -1,
    replication: options?.replication ?? -1,
    configuration: {
      ...(options?.compacted === true && { 'cleanup.policy': 'compact' }),
      ...(wish.retentionMs !== undefined && { 'retention.ms': String(wish.retentionMs) }),
      ...options?.configuration,
    },
  }
}

interface FoundTopic {
  readonly partitions: number
  readonly replicas: number
  readonly configuration: TopicConfiguration | undefined
}

/** Pure. */
export function topicDifference(
  wish: TopicWish,
  options: KafkaTopicOptions | undefined,
  found: FoundTopic,
): TopologyDifference {
  const what = `topic ${wish.name}`
  const wished = newTopic(wish, options)
  const differences = []
  if (wish.partitions !== undefined && wish.partitions !== found.partitions) {
    differences.push({
      what: `${what}: partitions`,
      wished: String(wish.partitions),
      found: partitionsFound(wish.partitions, found.partitions),
    })
  }
  if (options?.replication !== undefined && options.replication !== found.replicas) {
    differences.push({
      what: `${what}: replication`,
      wished: String(options.replication),
      found: String(found.replicas),
    })
  }
  for (const [name, value] of Object.entries(wished.configuration)) {
    const is = found.configuration?.values.get(name)
    if (is !== value) differences.push({ what: `${what}: ${name}`, wished: value, found: is ?? 'unknown' })
  }
  return differences
}

function partitionsFound(wished: number, found: number): string {
  return wished < found
    ? `${found}, and Kafka cannot take partitions away`
    : `${found}; not added, because keys would move to other partitions and overtake their earlier events: when no event is under way, add them with kafka-topics.sh --alter`
}
