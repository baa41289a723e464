import type { CommittedAnswer, KafkaConnection, KafkaNode } from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import type { ClusterView } from '../cluster-view.ts'
import { isStaleCoordinator, isStaleMetadata } from '../kafka-failures.ts'
import { Backoff } from './backoff.ts'
import { Offsets } from './offsets.ts'
import { isAdded, writeBeginning } from './start-positions.ts'

export interface DeclaredGroup {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly group: string
  readonly requestTimeoutMs: number
}

/** The topics that the group has something on record of: from then on it misses nothing of them. */
export async function isGroupKnown(parts: DeclaredGroup, topics: readonly string[]): Promise<ReadonlySet<string>> {
  const committed = await untilReady(parts, coordinator => committedOf(parts, coordinator, topics))
  return new Set(topics.filter(topic => (committed.get(topic) ?? []).some(({ offset }) => offset >= 0)))
}

/**
 * Has the group begin here with every partition that it has nothing on record of, so that it gets all that is published from
 * now on, whether somebody is there or not. Where members are, they have begun already, or will when they get a partition.
 */
export async function declareGroup(parts: DeclaredGroup, topics: readonly string[]): Promise<void> {
  await untilReady(parts, async coordinator => {
    const { connection, group, requestTimeoutMs } = parts
    const committed = await committedOf(parts, coordinator, topics)
    const open = topics.flatMap(topic => unknownOf(topic, committed.get(topic) ?? []))
    if (open.length === 0) return
    const found = await new Offsets(parts).list(open)
    const offsets = open.map(({ topic, partition, partitions }, index) => ({
      topic,
      partition,
      offset: found[index]!,
      metadata: writeBeginning({ partitions, isDeclared: true }),
    }))
    const outside = { group, memberId: '', generation: -1 }
    const errorCodes = await connection.commitOffsets(await coordinator.get(), outside, offsets, requestTimeoutMs)
    const failed = errorCodes.find(errorCode => errorCode !== kafkaError.none && !hasMembers.has(errorCode))
    if (failed !== undefined) throw new KafkaBrokerError(failed, `declare group ${group}`)
  })
}

/** The answers to a commit from outside while the group has members. */
const hasMembers: ReadonlySet<number> = new Set<number>([
  kafkaError.unknownMemberId,
  kafkaError.illegalGeneration,
  kafkaError.rebalanceInProgress,
])

interface UnknownPlace {
  readonly topic: string
  readonly partition: number
  readonly at: 'earliest' | 'latest'
  readonly partitions: number
}

function unknownOf(topic: string, answers: readonly CommittedAnswer[]): readonly UnknownPlace[] {
  return answers.flatMap(({ offset }, partition) => {
    if (offset >= 0) return []
    const at = isAdded(partition, answers) ? ('earliest' as const) : ('latest' as const)
    return [{ topic, partition, at, partitions: answers.length }]
  })
}

interface Coordination {
  readonly get: () => Promise<KafkaNode>
  readonly moved: () => void
}

function committedOf(
  parts: DeclaredGroup,
  coordinator: Coordination,
  topics: readonly string[],
): Promise<ReadonlyMap<string, readonly CommittedAnswer[]>> {
  return new Offsets(parts).committed(topics, coordinator)
}

/**
 * The first group of a cluster has no coordinator before Kafka has made the topic that it keeps groups in, and a topic that
 * was just made has leaders which do not know it yet.
 */
async function untilReady<T>(
  { connection, group, requestTimeoutMs }: DeclaredGroup,
  attempt: (coordinator: Coordination) => Promise<T>,
): Promise<T> {
  const backoff = new Backoff()
  const until = performance.now() + 3 * requestTimeoutMs
  const get = async (): Promise<KafkaNode> => {
    const { errorCode, node } = await connection.coordinator(group, requestTimeoutMs)
    if (node === undefined) throw new KafkaBrokerError(errorCode, `coordinator of group ${group}`)
    return node
  }
  for (;;) {
    try {
      return await attempt({ get, moved: () => undefined })
    } catch (error) {
      const isPassing =
        error instanceof KafkaBrokerError && (isStaleCoordinator(error.code) || isStaleMetadata(error.code))
      if (!isPassing || performance.now() > until) throw error
      await new Promise(resolve => setTimeout(resolve, backoff.nextMs()))
    }
  }
}
