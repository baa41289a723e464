import { systemClock, wait } from '@mekong/core/driver'
import type { CommittedAnswer, CommittedOffset, KafkaConnection, KafkaNode, Place } from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import { nameOf } from '../client/places.ts'
import type { ClusterView } from '../cluster-view.ts'
import { isPassingAnswer, isRebalance } from '../kafka-failures.ts'
import { Backoff } from './backoff.ts'
import { coordinatorOf } from './coordinator.ts'
import { Offsets, type Coordination } from './offsets.ts'
import { isAdded, writeBeginning } from './start-positions.ts'

export interface DeclaredGroup {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly group: string
  readonly requestTimeoutMs: number
}

/** The topics that the group has something on record of: from then on it misses nothing of them. */
export async function isGroupKnown(parts: DeclaredGroup, topics: readonly string[]): Promise<ReadonlySet<string>> {
  const known = await untilReady(parts, coordination => new Offsets(parts).known(topics, coordination))
  return new Set(topics.filter(topic => (known.get(topic) ?? []).some(({ offset }) => offset >= 0)))
}

/**
 * Has the group begin here with every partition that it has nothing on record of, so that it gets all that is published from
 * now on, whether somebody is there or not.
 */
export async function declareGroup(parts: DeclaredGroup, topics: readonly string[]): Promise<void> {
  await untilReady(parts, async coordination => {
    const offsets = new Offsets(parts)
    const open = unknownIn(await offsets.known(topics, coordination))
    if (open.length === 0) return
    const [starts, ends] = await Promise.all([
      offsets.list(open.map(place => ({ ...place, at: 'earliest' }))),
      offsets.list(open.map(place => ({ ...place, at: 'latest' }))),
    ])
    // Read once more behind that: see Declarations.
    const stillOpen = new Map(unknownIn(await offsets.known(topics, coordination)).map(place => [nameOf(place), place]))
    const found = open.flatMap(({ topic, partition }, index) => {
      const place = stillOpen.get(nameOf({ topic, partition }))
      if (place === undefined) return []
      const { partitions, at } = place
      const offset = at === 'earliest' ? starts[index]! : ends[index]!
      return [{ topic, partition, offset, metadata: writeBeginning({ partitions, isDeclared: true }) }]
    })
    if (found.length > 0) await commitFromOutside(parts, offsets, await coordination.get(), found)
  })
}

async function commitFromOutside(
  { connection, group, requestTimeoutMs }: DeclaredGroup,
  offsets: Offsets,
  node: KafkaNode,
  found: readonly CommittedOffset[],
): Promise<void> {
  const outside = { group, memberId: '', generation: -1 }
  const errorCodes = await connection.commitOffsets(node, outside, found, requestTimeoutMs)
  // While it has members.
  const failed = errorCodes.find(errorCode => errorCode !== kafkaError.none && !isRebalance(errorCode))
  if (failed !== undefined) throw new KafkaBrokerError(failed, `declare group ${group}`)
  const refused = found.filter((_, index) => errorCodes[index] !== kafkaError.none)
  if (refused.length > 0) await offsets.declare(refused)
}

interface UnknownPlace extends Place {
  readonly at: 'earliest' | 'latest'
  readonly partitions: number
}

function unknownIn(known: ReadonlyMap<string, readonly CommittedAnswer[]>): readonly UnknownPlace[] {
  return [...known].flatMap(([topic, answers]) =>
    answers.flatMap(({ offset }, partition) => {
      if (offset >= 0) return []
      const at = isAdded(partition, answers) ? ('earliest' as const) : ('latest' as const)
      return [{ topic, partition, at, partitions: answers.length }]
    }),
  )
}

/**
 * The first group of a cluster has no coordinator before Kafka has made the topic that it keeps groups in, and a topic that
 * was just made has leaders which do not know it yet.
 */
async function untilReady<T>(
  { connection, group, requestTimeoutMs }: DeclaredGroup,
  attempt: (coordination: Coordination) => Promise<T>,
): Promise<T> {
  const backoff = new Backoff()
  const until = performance.now() + 3 * requestTimeoutMs
  const get = (): Promise<KafkaNode> => coordinatorOf(connection, group, requestTimeoutMs)
  for (;;) {
    try {
      return await attempt({ get, moved: () => undefined })
    } catch (error) {
      if (!isPassingAnswer(error) || performance.now() > until) throw error
      await wait(systemClock, backoff.nextMs())
    }
  }
}
