import type { StartPosition } from '@mekong/core/driver'
import type {
  CommittedAnswer,
  CommittedOffset,
  KafkaConnection,
  KafkaNode,
  OffsetAnswer,
  OffsetWish,
  Place,
} from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import { nameOf } from '../client/places.ts'
import type { ClusterView } from '../cluster-view.ts'
import { isStaleCoordinator, isStaleMetadata } from '../kafka-failures.ts'
import { Declarations } from './declarations.ts'
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

/** Who keeps the group, and what to call when an answer shows that it is somebody else now. */
export interface Coordination {
  readonly get: () => Promise<KafkaNode>
  readonly moved: () => void
}

/** By topic, by partition. */
type Committed = ReadonlyMap<string, readonly CommittedAnswer[]>

/** Looks up where partitions begin and end, and what a group has of them. Everything rejects when it is not answered. */
export class Offsets {
  readonly #options: OffsetsOptions
  readonly #declarations: Declarations

  constructor(options: OffsetsOptions) {
    this.#options = options
    this.#declarations = new Declarations(options)
  }

  /** Where a member begins with partitions that it got. */
  async resolve(
    places: readonly Place[],
    from: (topic: string) => StartPosition,
    coordination: Coordination,
  ): Promise<readonly ResolvedStart[]> {
    const topics = [...new Set(places.map(({ topic }) => topic))]
    const committed = await this.committed(topics, coordination)
    const open = places.filter(place => offsetIn(committed, place) < 0)
    // Listed before what is declared is read: see Declarations.
    const listed = await this.list(open.map(place => ({ ...place, at: 'latest' })))
    const ends = new Map(open.map((place, index) => [nameOf(place), listed[index]!]))
    const known = open.length === 0 ? committed : await this.known(topics, coordination)
    const starts = startsOf({ places, committed: known, from })
    const wishes = starts.flatMap(({ place, at }) => (at === undefined || at === 'latest' ? [] : [{ ...place, at }]))
    const found = await this.list(wishes)
    let next = 0
    return starts.map(({ place, at, committed: offset, metadata }) => {
      if (at === undefined) return { place, offset, metadata, isCommitted: offsetIn(committed, place) >= 0 }
      const start = (at === 'latest' ? ends.get(nameOf(place)) : undefined) ?? found[next++]!
      return { place, offset: start, metadata, isCommitted: false }
    })
  }

  /** What the group has committed of each partition of these topics. */
  async committed(topics: readonly string[], coordination: Coordination): Promise<Committed> {
    const { connection, group, requestTimeoutMs } = this.#options
    const places = await this.#placesOf(topics)
    const answers = await connection.fetchOffsets(await coordination.get(), group, places, requestTimeoutMs)
    const errorCode = firstError(answers)
    if (isStaleCoordinator(errorCode)) coordination.moved()
    if (errorCode !== kafkaError.none) throw new KafkaBrokerError(errorCode, `offsets of group ${group}`)
    return byTopicOf(topics, places, answers)
  }

  /** What the group has committed, and where it has not, what was declared. */
  async known(topics: readonly string[], coordination: Coordination): Promise<Committed> {
    const places = await this.#placesOf(topics)
    const declared = byTopicOf(topics, places, await this.#declarations.read(places))
    const committed = await this.committed(topics, coordination)
    return new Map(
      Array.from(committed, ([topic, answers]) => [
        topic,
        answers.map((answer, partition) =>
          answer.offset >= 0 ? answer : (declared.get(topic)?.[partition] ?? answer),
        ),
      ]),
    )
  }

  /** Notes where the group begins, though it has members. */
  declare(offsets: readonly CommittedOffset[]): Promise<void> {
    return this.#declarations.write(offsets)
  }

  async #placesOf(topics: readonly string[]): Promise<readonly Place[]> {
    const { view, requestTimeoutMs } = this.#options
    await view.load(topics, requestTimeoutMs)
    return topics.flatMap(topic => (view.partitionsOf(topic) ?? []).map(({ id: partition }) => ({ topic, partition })))
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

function byTopicOf(
  topics: readonly string[],
  places: readonly Place[],
  answers: readonly CommittedAnswer[],
): ReadonlyMap<string, readonly CommittedAnswer[]> {
  const found = new Map<string, CommittedAnswer[]>(topics.map(topic => [topic, []]))
  for (const [index, { topic }] of places.entries()) found.get(topic)!.push(answers[index]!)
  return found
}

function offsetIn(committed: Committed, { topic, partition }: Place): number {
  return committed.get(topic)?.[partition]?.offset ?? -1
}
