import type {
  ClusterMetadata,
  CommittedAnswer,
  CommittedOffset,
  Coordinator,
  ErrorCode,
} from '../client/kafka-client.ts'
import type {
  FetchedPart,
  FetchRequest,
  GroupMember,
  JoinGroupAnswer,
  JoinGroupRequest,
} from '../client/kafka-client.ts'
import type {
  KafkaConnection,
  KafkaNode,
  NewTopic,
  OffsetAnswer,
  OffsetWish,
  PartAnswer,
} from '../client/kafka-client.ts'
import type { Place, ProduceRequest, SyncGroupAnswer, SyncGroupRequest, TopicAnswer } from '../client/kafka-client.ts'
import type { TopicConfiguration } from '../client/kafka-client.ts'
import { buffer } from '../client/buffer.ts'
import { kafkaError } from '../client/kafka-error.ts'
import { byTopic, inOrderOf, nameOf } from '../client/places.ts'
import type { ConnectionSettings } from '../client/connection-settings.ts'
import { PlatformaticNodes } from './platformatic-nodes.ts'
import { messagesOf, nextOf, toMessage } from './platformatic-records.ts'

const ALL_REPLICAS = -1
const READ_COMMITTED = 1
const TOPIC_RESOURCE = 2 as const
const GROUP_COORDINATOR = 0
/** The codec takes the null of the protocol; its types do not know. */
const EVERY_KEY = null as unknown as string[]
const NO_EPOCH = -1
/** A fetch that stands alone: no session is kept at the broker. */
const NO_SESSION = { id: 0, epoch: -1 } as const

/** The requests of this adapter in the words of the library's codecs. */
export class PlatformaticConnection implements KafkaConnection {
  readonly #nodes: PlatformaticNodes

  constructor(settings: ConnectionSettings) {
    this.#nodes = new PlatformaticNodes(settings)
  }

  async metadata(topics: readonly string[], timeoutMs: number): Promise<ClusterMetadata> {
    const answer = await this.#nodes.ask('Metadata', [[...topics], false, false], timeoutMs)
    const nodes = new Map(answer.brokers.map(({ nodeId: id, host, port }) => [id, { id, host, port }]))
    this.#nodes.know([...nodes.values()])
    return {
      controller: nodes.get(answer.controllerId),
      nodes,
      topics: new Map(
        answer.topics.map(({ name, errorCode, partitions }) => [
          name ?? '',
          {
            errorCode,
            partitions: partitions.map(({ partitionIndex, leaderId, replicaNodes }) => ({
              id: partitionIndex,
              leader: leaderId,
              replicas: replicaNodes.length,
            })),
          },
        ]),
      ),
    }
  }

  async coordinator(group: string, timeoutMs: number): Promise<Coordinator> {
    const { coordinators } = await this.#nodes.ask('FindCoordinator', [GROUP_COORDINATOR, [group]], timeoutMs)
    const [found] = coordinators
    if (found === undefined) return { errorCode: unanswered, node: undefined }
    const { errorCode, nodeId: id, host, port } = found
    return { errorCode, node: errorCode === kafkaError.none ? { id, host, port } : undefined }
  }

  async produce(node: KafkaNode, request: ProduceRequest, timeoutMs: number): Promise<readonly PartAnswer[]> {
    const { parts, ackTimeoutMs, compression } = request
    const messages = parts.flatMap(part => part.records.map(record => toMessage(part, record)))
    const answer = await this.#nodes.send(
      node,
      'Produce',
      [ALL_REPLICAS, ackTimeoutMs, messages, { compression }],
      timeoutMs,
    )
    const responses = typeof answer === 'boolean' ? [] : answer.responses
    const answers = responses.map(({ name, partitionResponses }) => ({
      topic: name,
      partitions: partitionResponses.map(({ index, errorCode }) => ({ partition: index, errorCode })),
    }))
    return inOrderOf(parts, answers, ({ errorCode }) => ({ errorCode }), { errorCode: unanswered })
  }

  async fetch(node: KafkaNode, request: FetchRequest, timeoutMs: number): Promise<readonly FetchedPart[]> {
    const { parts, maxWaitMs, maxBytes, rack } = request
    const topics = byTopic(parts, part => ({
      partition: part.partition,
      fetchOffset: BigInt(part.offset),
      partitionMaxBytes: part.maxBytes,
      currentLeaderEpoch: NO_EPOCH,
      lastFetchedEpoch: NO_EPOCH,
    })).map(({ topic, partitions }) => ({ topicId: topic, partitions }))
    const answer = await this.#nodes.send(
      node,
      'Fetch',
      [maxWaitMs, 1, maxBytes, READ_COMMITTED, NO_SESSION.id, NO_SESSION.epoch, topics, [], rack],
      timeoutMs,
    )
    if (answer.errorCode !== kafkaError.none) return parts.map(part => refusedPart(part, answer.errorCode))
    const asked = new Map(parts.map(part => [nameOf(part), part.offset]))
    return answer.responses.flatMap(({ topicId: topic, partitions }) =>
      partitions.map(part => {
        const place = { topic, partition: part.partitionIndex }
        const offset = asked.get(nameOf(place)) ?? 0
        return {
          ...place,
          errorCode: part.errorCode,
          end: Number(part.lastStableOffset),
          start: Number(part.logStartOffset),
          preferredReplica: part.preferredReadReplica,
          records: messagesOf(part, offset),
          next: nextOf(part, offset),
        }
      }),
    )
  }

  async listOffsets(
    node: KafkaNode,
    parts: readonly OffsetWish[],
    timeoutMs: number,
  ): Promise<readonly OffsetAnswer[]> {
    const wishes = byTopic(parts, ({ partition, at }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: NO_EPOCH,
      timestamp: timestampOf(at),
    })).map(({ topic, partitions }) => ({ name: topic, partitions }))
    const { topics } = await this.#nodes.send(node, 'ListOffsets', [ALL_REPLICAS, READ_COMMITTED, wishes], timeoutMs)
    return inOrderOf(parts, topics.map(named), ({ errorCode, offset }) => ({ errorCode, offset: Number(offset) }), {
      errorCode: unanswered,
      offset: -1,
    })
  }

  async joinGroup(node: KafkaNode, request: JoinGroupRequest, timeoutMs: number): Promise<JoinGroupAnswer> {
    const { group, memberId, sessionTimeoutMs, rebalanceTimeoutMs } = request
    const protocols = request.protocols.map(({ name, metadata }) => ({ name, metadata: buffer(metadata) }))
    const answer = await this.#nodes.send(
      node,
      'JoinGroup',
      [group, sessionTimeoutMs, rebalanceTimeoutMs, memberId, null, 'consumer', protocols],
      timeoutMs,
    )
    return {
      errorCode: answer.errorCode,
      generation: answer.generationId,
      memberId: answer.memberId,
      leaderId: answer.leader,
      protocol: answer.protocolName ?? '',
      members: answer.members.map(({ memberId, metadata }) => ({ memberId, metadata })),
    }
  }

  async syncGroup(node: KafkaNode, request: SyncGroupRequest, timeoutMs: number): Promise<SyncGroupAnswer> {
    const { group, generation, memberId } = request
    const assignments = request.assignments.map(({ memberId, assignment }) => ({
      memberId,
      assignment: buffer(assignment),
    }))
    const { errorCode, assignment } = await this.#nodes.send(
      node,
      'SyncGroup',
      [group, generation, memberId, null, null, null, assignments],
      timeoutMs,
    )
    return { errorCode, assignment }
  }

  async heartbeat(node: KafkaNode, member: GroupMember, timeoutMs: number): Promise<ErrorCode> {
    const { group, generation, memberId } = member
    return (await this.#nodes.send(node, 'Heartbeat', [group, generation, memberId, null], timeoutMs)).errorCode
  }

  async leaveGroup(node: KafkaNode, member: Omit<GroupMember, 'generation'>, timeoutMs: number): Promise<ErrorCode> {
    const { group, memberId } = member
    const leaving = [{ memberId, groupInstanceId: null }]
    const { errorCode, members } = await this.#nodes.send(node, 'LeaveGroup', [group, leaving], timeoutMs)
    return errorCode === kafkaError.none ? (members[0]?.errorCode ?? kafkaError.none) : errorCode
  }

  async fetchOffsets(
    node: KafkaNode,
    group: string,
    places: readonly Place[],
    timeoutMs: number,
  ): Promise<readonly CommittedAnswer[]> {
    const topics = byTopic(places, place => place.partition).map(({ topic, partitions }) => ({
      name: topic,
      partitionIndexes: partitions,
    }))
    const { groups } = await this.#nodes.send(
      node,
      'OffsetFetch',
      [[{ groupId: group, memberEpoch: NO_EPOCH, topics }], false],
      timeoutMs,
    )
    const [found] = groups
    const missing = { errorCode: found?.errorCode || unanswered, offset: -1, metadata: '' }
    return inOrderOf(
      places,
      (found?.topics ?? []).map(named),
      ({ errorCode, committedOffset, metadata }) => ({
        errorCode,
        offset: Number(committedOffset),
        metadata: metadata ?? '',
      }),
      missing,
    )
  }

  async commitOffsets(
    node: KafkaNode,
    member: GroupMember,
    offsets: readonly CommittedOffset[],
    timeoutMs: number,
  ): Promise<readonly ErrorCode[]> {
    const { group, generation, memberId } = member
    const commits = byTopic(offsets, ({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: NO_EPOCH,
      committedMetadata: metadata,
    })).map(({ topic, partitions }) => ({ name: topic, partitions }))
    const { topics } = await this.#nodes.send(
      node,
      'OffsetCommit',
      [group, generation, memberId, null, commits],
      timeoutMs,
    )
    return inOrderOf(offsets, topics.map(named), ({ errorCode }) => errorCode, unanswered)
  }

  async createTopics(node: KafkaNode, topics: readonly NewTopic[], timeoutMs: number): Promise<readonly TopicAnswer[]> {
    const wishes = topics.map(({ name, partitions, replication, configuration }) => ({
      name,
      numPartitions: partitions,
      replicationFactor: replication,
      assignments: [],
      configs: Object.entries(configuration).map(([name, value]) => ({ name, value })),
    }))
    const answer = await this.#nodes.send(node, 'CreateTopics', [wishes, timeoutMs, false], timeoutMs)
    const answers = new Map(answer.topics.map(topic => [topic.name, topic]))
    return topics.map(({ name }) => {
      const topic = answers.get(name)
      return { errorCode: topic?.errorCode ?? unanswered, message: topic?.errorMessage ?? undefined }
    })
  }

  async describeTopics(
    node: KafkaNode,
    topics: readonly string[],
    timeoutMs: number,
  ): Promise<readonly TopicConfiguration[]> {
    const resources = topics.map(name => ({
      resourceType: TOPIC_RESOURCE,
      resourceName: name,
      configurationKeys: EVERY_KEY,
    }))
    const { results } = await this.#nodes.send(node, 'DescribeConfigs', [resources, false, false], timeoutMs)
    const answers = new Map(results.map(result => [result.resourceName, result]))
    return topics.map(name => {
      const answer = answers.get(name)
      const entries = answer?.configs ?? []
      return {
        errorCode: answer?.errorCode ?? unanswered,
        values: new Map(entries.flatMap(({ name, value }) => (value == null ? [] : [[name, value]]))),
      }
    })
  }

  async close(): Promise<void> {
    this.#nodes.close()
  }
}

/** For a part that the answer leaves out. */
const unanswered = kafkaError.unknownServerError

function refusedPart({ topic, partition, offset }: FetchRequest['parts'][number], errorCode: ErrorCode): FetchedPart {
  return { topic, partition, errorCode, end: -1, start: -1, preferredReplica: -1, records: [], next: offset }
}

function timestampOf(at: OffsetWish['at']): bigint {
  if (at === 'latest') return -1n
  return at === 'earliest' ? -2n : BigInt(at.time)
}

function named<T extends { readonly partitionIndex: number }>({
  name,
  partitions,
}: {
  readonly name: string
  readonly partitions: readonly T[]
}): { topic: string; partitions: readonly (T & { partition: number })[] } {
  return { topic: name, partitions: partitions.map(part => ({ ...part, partition: part.partitionIndex })) }
}
