import type { StartPosition } from '@mekong/core/driver'
import type {
  CommittedAnswer,
  KafkaConnection,
  KafkaNode,
  OffsetAnswer,
  OffsetWish,
  Place,
} from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import type { ClusterView } from '../cluster-view.ts'
import { isStaleCoordinator, isStaleMetadata } from '../kafka-failures.ts'
import { firstError, isBehindAll, startsOf } from './start-positions.ts'

export interface OffsetsOptions {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly group: string
  readonly requestTimeoutMs: number
}

export interface ResolvedStart {
  readonly place: Place
  readonly offset: number
  readonly metadata: string
  /** The group has it on record already. */
  readonly isCommitted: boolean
}

/** Looks up where partitions begin and end, and what a group has of them. Everything rejects when it is not answered. */
export class Offsets {
  readonly #options: OffsetsOptions

  constructor(options: OffsetsOptions) {
    this.#options = options
  }

  async resolve(
    places: readonly Place[],
    from: StartPosition,
    coordinator: { get: () => Promise<KafkaNode>; moved: () => void },
  ): Promise<readonly ResolvedStart[]> {
    const committed = await this.committed([...new Set(places.map(({ topic }) => topic))], coordinator)
    const starts = startsOf({ places, committed, from })
    const open = starts.flatMap(({ place, at }) => (at === undefined ? [] : [{ ...place, at }]))
    const found = await this.list(open)
    let next = 0
    return starts.map(({ place, at, committed: offset, metadata }) =>
      at === undefined
        ? { place, offset, metadata, isCommitted: true }
        : { place, offset: found[next++]!, metadata, isCommitted: false },
    )
  }

  /** What the group has committed of each partition of these topics, by topic. */
  async committed(
    topics: readonly string[],
    coordinator: { get: () => Promise<KafkaNode>; moved: () => void },
  ): Promise<ReadonlyMap<string, readonly CommittedAnswer[]>> {
    const { connection, view, group, requestTimeoutMs } = this.#options
    await view.load(topics, requestTimeoutMs)
    const places = topics.flatMap(topic =>
      (view.partitionsOf(topic) ?? []).map(({ id: partition }) => ({ topic, partition })),
    )
    const answers = await connection.fetchOffsets(await coordinator.get(), group, places, requestTimeoutMs)
    const errorCode = firstError(answers)
    if (isStaleCoordinator(errorCode)) coordinator.moved()
    if (errorCode !== kafkaError.none) throw new KafkaBrokerError(errorCode, `offsets of group ${group}`)
    const committed = new Map<string, CommittedAnswer[]>(topics.map(topic => [topic, []]))
    for (const [index, { topic }] of places.entries()) committed.get(topic)!.push(answers[index]!)
    return committed
  }

  /** The offsets that are there now, by index. */
  async list(wishes: readonly OffsetWish[]): Promise<readonly number[]> {
    const answers = await this.#listByLeader(wishes)
    const behind = wishes.filter((wish, index) => isBehindAll(wish.at, answers[index]!))
    const ends = behind.length === 0 ? [] : await this.list(behind.map(wish => ({ ...wish, at: 'latest' as const })))
    let next = 0
    return wishes.map((wish, index) => (isBehindAll(wish.at, answers[index]!) ? ends[next++]! : answers[index]!.offset))
  }

  async #listByLeader(wishes: readonly OffsetWish[]): Promise<readonly OffsetAnswer[]> {
    const { connection, view, requestTimeoutMs } = this.#options
    if (wishes.length === 0) return []
    await view.load([...new Set(wishes.map(({ topic }) => topic))], requestTimeoutMs)
    const byLeader = new Map<KafkaNode, number[]>()
    for (const [index, wish] of wishes.entries()) {
      const leader = view.leaderOf(wish)
      if (leader === undefined) this.#fail(kafkaError.leaderNotAvailable, wish)
      const indexes = byLeader.get(leader)
      if (indexes === undefined) byLeader.set(leader, [index])
      else indexes.push(index)
    }
    const answers = Array.from<OffsetAnswer>({ length: wishes.length })
    await Promise.all(
      Array.from(byLeader, async ([node, indexes]) => {
        const parts = indexes.map(index => wishes[index]!)
        const found = await connection.listOffsets(node, parts, requestTimeoutMs)
        for (const [at, index] of indexes.entries()) {
          const answer = found[at]!
          if (answer.errorCode !== kafkaError.none) this.#fail(answer.errorCode, parts[at]!)
          answers[index] = answer
        }
      }),
    )
    return answers
  }

  #fail(errorCode: number, { topic, partition }: Place): never {
    if (isStaleMetadata(errorCode)) this.#options.view.outdate()
    throw new KafkaBrokerError(errorCode, `offsets of ${topic}/${partition}`)
  }
}
