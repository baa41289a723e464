import type {
  ClusterMetadata,
  CommittedAnswer,
  CommittedOffset,
  Compression,
  Coordinator,
  ErrorCode,
  FetchedPart,
  FetchRequest,
  GroupMember,
  JoinGroupAnswer,
  JoinGroupRequest,
  KafkaConnection,
  KafkaNode,
  NewTopic,
  OffsetAnswer,
  OffsetWish,
  PartAnswer,
  Place,
  ProducePart,
  ProduceRequest,
  SyncGroupAnswer,
  SyncGroupRequest,
  TopicAnswer,
  TopicConfiguration,
} from '../client/kafka-client.ts'
import { kafkaError } from '../client/kafka-error.ts'
import { buffer } from '../client/buffer.ts'
import { byTopic, inOrderOf, nameOf, type OfTopic } from '../client/places.ts'
import { prepareDecompression } from './kafkajs-compression.ts'
import { fetchedPart, type DecodedPart } from './kafkajs-fetched.ts'
import { KafkajsNode } from './kafkajs-node.ts'
import type { Cluster } from './kafkajs-protocol.ts'

type InPartition<T> = T & { readonly partition: number }

const READ_COMMITTED = 1
const TOPIC_RESOURCE = 2
const compressions: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

/** The requests of this adapter in the words of kafkajs' codecs. */
export class KafkajsConnection implements KafkaConnection {
  readonly #cluster: Cluster
  readonly #seed: KafkajsNode
  readonly #nodes = new Map<string, KafkajsNode>()
  #known: readonly KafkaNode[] = []

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#seed = new KafkajsNode(cluster)
  }

  async metadata(topics: readonly string[], timeoutMs: number): Promise<ClusterMetadata> {
    const answer = await this.#ask<DecodedMetadata>(
      'Metadata',
      { topics: [...topics], allowAutoTopicCreation: false },
      timeoutMs,
    )
    const nodes = new Map(answer.brokers.map(({ nodeId: id, host, port }) => [id, { id, host, port }]))
    this.#known = [...nodes.values()]
    return {
      controller: nodes.get(answer.controllerId),
      nodes,
      topics: new Map(
        answer.topicMetadata.map(({ topic, topicErrorCode, partitionMetadata }) => [
          topic,
          {
            errorCode: topicErrorCode,
            partitions: partitionMetadata.map(({ partitionId, leader, replicas }) => ({
              id: partitionId,
              leader,
              replicas: replicas.length,
            })),
          },
        ]),
      ),
    }
  }

  async coordinator(group: string, timeoutMs: number): Promise<Coordinator> {
    const { errorCode, coordinator } = await this.#ask<DecodedCoordinator>(
      'GroupCoordinator',
      { groupId: group },
      timeoutMs,
    )
    const { nodeId: id, host, port } = coordinator
    return { errorCode, node: errorCode === kafkaError.none ? { id, host, port } : undefined }
  }

  async produce(node: KafkaNode, request: ProduceRequest, timeoutMs: number): Promise<readonly PartAnswer[]> {
    const topicData = byTopic(request.parts, part => ({
      partition: part.partition,
      messages: part.records.map(toRecord),
    }))
    const { topics } = await this.#node(node).send<{
      topics: readonly { topicName: string; partitions: readonly { partition: number; errorCode: number }[] }[]
    }>(
      'Produce',
      { acks: -1, timeout: request.ackTimeoutMs, compression: compressions[request.compression], topicData },
      timeoutMs,
    )
    const answers = topics.map(({ topicName: topic, partitions }) => ({ topic, partitions }))
    return inOrderOf(request.parts, answers, part => ({ errorCode: part.errorCode }), { errorCode: unanswered })
  }

  async fetch(node: KafkaNode, request: FetchRequest, timeoutMs: number): Promise<readonly FetchedPart[]> {
    const { parts, maxWaitMs: maxWaitTime, maxBytes, rack: rackId } = request
    await prepareDecompression()
    const topics = byTopic(parts, ({ partition, offset, maxBytes }) => ({
      partition,
      fetchOffset: String(offset),
      maxBytes,
    }))
    const { responses } = await this.#node(node).send<{
      responses: readonly { topicName: string; partitions: readonly DecodedPart[] }[]
    }>('Fetch', { maxWaitTime, minBytes: 1, maxBytes, isolationLevel: READ_COMMITTED, topics, rackId }, timeoutMs)
    const asked = new Map(parts.map(part => [nameOf(part), part.offset]))
    return responses.flatMap(({ topicName, partitions }) =>
      partitions.map(part =>
        fetchedPart(topicName, part, asked.get(nameOf({ topic: topicName, partition: part.partition })) ?? 0),
      ),
    )
  }

  async listOffsets(
    node: KafkaNode,
    parts: readonly OffsetWish[],
    timeoutMs: number,
  ): Promise<readonly OffsetAnswer[]> {
    const topics = byTopic(parts, ({ partition, at }) => ({ partition, timestamp: timestampOf(at) }))
    const { responses } = await this.#node(node).send<{ responses: readonly OfTopic<InPartition<DecodedOffset>>[] }>(
      'ListOffsets',
      { isolationLevel: READ_COMMITTED, topics },
      timeoutMs,
    )
    return inOrderOf(parts, responses, offsetAnswer, noOffset)
  }

  async joinGroup(node: KafkaNode, request: JoinGroupRequest, timeoutMs: number): Promise<JoinGroupAnswer> {
    const { group, memberId, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = request
    const answer = await this.#node(node).send<DecodedJoin>(
      'JoinGroup',
      {
        groupId: group,
        memberId,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: rebalanceTimeoutMs,
        protocolType: 'consumer',
        groupProtocols: protocols.map(({ name, metadata }) => ({ name, metadata: buffer(metadata) })),
      },
      timeoutMs,
    )
    return {
      errorCode: answer.errorCode,
      generation: answer.generationId,
      memberId: answer.memberId,
      leaderId: answer.leaderId,
      protocol: answer.groupProtocol,
      members: answer.members.map(member => ({ memberId: member.memberId, metadata: member.memberMetadata })),
    }
  }

  async syncGroup(node: KafkaNode, request: SyncGroupRequest, timeoutMs: number): Promise<SyncGroupAnswer> {
    const answer = await this.#node(node).send<{ errorCode: ErrorCode; memberAssignment: Buffer | null }>(
      'SyncGroup',
      {
        groupId: request.group,
        generationId: request.generation,
        memberId: request.memberId,
        groupAssignment: request.assignments.map(({ memberId, assignment }) => ({
          memberId,
          memberAssignment: buffer(assignment),
        })),
      },
      timeoutMs,
    )
    return { errorCode: answer.errorCode, assignment: answer.memberAssignment ?? new Uint8Array() }
  }

  async heartbeat(node: KafkaNode, member: GroupMember, timeoutMs: number): Promise<ErrorCode> {
    const { group: groupId, generation: groupGenerationId, memberId } = member
    const parameters = { groupId, groupGenerationId, memberId }
    return (await this.#node(node).send<{ errorCode: ErrorCode }>('Heartbeat', parameters, timeoutMs)).errorCode
  }

  async leaveGroup(node: KafkaNode, member: Omit<GroupMember, 'generation'>, timeoutMs: number): Promise<ErrorCode> {
    const parameters = { groupId: member.group, memberId: member.memberId }
    return (await this.#node(node).send<{ errorCode: ErrorCode }>('LeaveGroup', parameters, timeoutMs)).errorCode
  }

  async fetchOffsets(
    node: KafkaNode,
    group: string,
    places: readonly Place[],
    timeoutMs: number,
  ): Promise<readonly CommittedAnswer[]> {
    const topics = byTopic(places, ({ partition }) => ({ partition }))
    const { responses, errorCode } = await this.#node(node).send<{
      responses: readonly OfTopic<InPartition<DecodedCommit>>[]
      errorCode?: ErrorCode
    }>('OffsetFetch', { groupId: group, topics }, timeoutMs)
    const failed = { errorCode: errorCode ?? kafkaError.none, offset: -1, metadata: '' }
    if (failed.errorCode !== kafkaError.none) return places.map(() => failed)
    const answer = (commit: DecodedCommit): CommittedAnswer => ({
      ...offsetAnswer(commit),
      metadata: commit.metadata ?? '',
    })
    return inOrderOf(places, responses, answer, { ...noOffset, metadata: '' })
  }

  async commitOffsets(
    node: KafkaNode,
    member: GroupMember,
    offsets: readonly CommittedOffset[],
    timeoutMs: number,
  ): Promise<readonly ErrorCode[]> {
    const { group: groupId, generation: groupGenerationId, memberId } = member
    const topics = byTopic(offsets, ({ partition, offset, metadata }) => ({
      partition,
      offset: String(offset),
      metadata,
    }))
    const { responses } = await this.#node(node).send<{
      responses: readonly OfTopic<InPartition<{ readonly errorCode: ErrorCode }>>[]
    }>('OffsetCommit', { groupId, groupGenerationId, memberId, topics }, timeoutMs)
    return inOrderOf(offsets, responses, part => part.errorCode, unanswered)
  }

  async createTopics(node: KafkaNode, topics: readonly NewTopic[], timeoutMs: number): Promise<readonly TopicAnswer[]> {
    const { topicErrors } = await this.#node(node).send<{
      topicErrors: readonly { topic: string; errorCode: ErrorCode; errorMessage?: string | null }[]
    }>(
      'CreateTopics',
      {
        topics: topics.map(({ name, partitions, replication, configuration }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: replication,
          configEntries: Object.entries(configuration).map(([name, value]) => ({ name, value })),
        })),
        validateOnly: false,
        timeout: timeoutMs,
      },
      timeoutMs,
    )
    const answers = new Map(topicErrors.map(answer => [answer.topic, answer]))
    return topics.map(({ name }) => {
      const answer = answers.get(name)
      return { errorCode: answer?.errorCode ?? unanswered, message: answer?.errorMessage ?? undefined }
    })
  }

  async describeTopics(
    node: KafkaNode,
    topics: readonly string[],
    timeoutMs: number,
  ): Promise<readonly TopicConfiguration[]> {
    const { resources } = await this.#node(node).send<{ resources: readonly DecodedConfiguration[] }>(
      'DescribeConfigs',
      { resources: topics.map(name => ({ type: TOPIC_RESOURCE, name })), includeSynonyms: false },
      timeoutMs,
    )
    const answers = new Map(resources.map(answer => [answer.resourceName, answer]))
    return topics.map(name => {
      const answer = answers.get(name)
      const entries = answer?.configEntries ?? []
      return {
        errorCode: answer?.errorCode ?? unanswered,
        values: new Map(
          entries.flatMap(({ configName, configValue }) => (configValue === null ? [] : [[configName, configValue]])),
        ),
      }
    })
  }

  async close(): Promise<void> {
    for (const node of [this.#seed, ...this.#nodes.values()]) node.close()
  }

  /** From whichever node answers: those that are known, in turn, then the seeds. */
  async #ask<Answer>(name: 'Metadata' | 'GroupCoordinator', parameters: object, timeoutMs: number): Promise<Answer> {
    const startedAt = performance.now()
    const [first, ...others] = this.#known
    for (const node of this.#known) {
      try {
        // A node that is gone must not take all the time that there is.
        return await this.#node(node).send<Answer>(name, parameters, timeoutMs / (this.#known.length + 1))
      } catch {
        this.#known = [...others, ...(first === undefined ? [] : [first])]
      }
    }
    return this.#seed.send<Answer>(name, parameters, Math.max(1, timeoutMs - (performance.now() - startedAt)))
  }

  #node({ host, port }: KafkaNode): KafkajsNode {
    const name = `${host}:${port}`
    let node = this.#nodes.get(name)
    if (node === undefined) this.#nodes.set(name, (node = new KafkajsNode(this.#cluster, { host, port })))
    return node
  }
}

/** For a part that the answer leaves out. */
const unanswered = kafkaError.unknownServerError
const noOffset: OffsetAnswer = { errorCode: unanswered, offset: -1 }

interface DecodedMetadata {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]
  readonly controllerId: number
  readonly topicMetadata: readonly {
    readonly topic: string
    readonly topicErrorCode: ErrorCode
    readonly partitionMetadata: readonly {
      readonly partitionId: number
      readonly leader: number
      readonly replicas: readonly number[]
    }[]
  }[]
}

interface DecodedCoordinator {
  readonly errorCode: ErrorCode
  readonly coordinator: { readonly nodeId: number; readonly host: string; readonly port: number }
}

interface DecodedJoin {
  readonly errorCode: ErrorCode
  readonly generationId: number
  readonly memberId: string
  readonly leaderId: string
  readonly groupProtocol: string
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]
}

interface DecodedOffset {
  readonly errorCode: ErrorCode
  readonly offset: string
}

interface DecodedCommit extends DecodedOffset {
  readonly metadata: string | null
}

interface DecodedConfiguration {
  readonly errorCode: ErrorCode
  readonly resourceName: string
  readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[]
}

function offsetAnswer({ errorCode, offset }: DecodedOffset): OffsetAnswer {
  return { errorCode, offset: Number(offset) }
}

function timestampOf(at: OffsetWish['at']): string {
  if (at === 'latest') return '-1'
  return at === 'earliest' ? '-2' : String(at.time)
}

function toRecord({ key, value, headers, timestamp }: ProducePart['records'][number]): object {
  return { key: key === null ? null : buffer(key), value: buffer(value), headers, timestamp }
}
