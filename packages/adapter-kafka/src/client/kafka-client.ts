/**
 * What this adapter needs of a Kafka client: connections, and one method for each request of the Kafka protocol that it
 * makes. Everything above that is the adapter's own and the same for every client: partitioning, batching by leader, group
 * membership, the fetch loop, commits. A client here never retries, never batches, never decides.
 *
 * Two rules hold for every method of a connection:
 * - What a broker answers is data, its error codes included. A rejection means that there was no answer, and is a
 *   `KafkaRequestError` that says whether the request may have arrived.
 * - A request that is not answered in time rejects as `unanswered`, and the connection that it was sent on is dropped, so
 *   that nothing waits behind it and a connection that is dead without knowing it is found.
 */
export interface KafkaClient {
  /** The package: `kafkajs`, `@platformatic/kafka`. Used in messages. */
  readonly name: string
  /** The client library's own object, for what Mekong does not cover. */
  readonly native: unknown
  /** A set of connections of its own, to each node at most one of each kind, opened when they are first needed. */
  connect(): KafkaConnection
  /**
   * Makes sure that batches can be compressed in this way.
   * @throws MekongError INVALID_CONFIGURATION naming the package that is missing
   */
  prepareCompression(compression: Compression): Promise<void>
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Zero: none. Otherwise one of `kafkaError`, or a number that Kafka has added since. */
export type ErrorCode = number

/**
 * One set of connections. Calls may overlap. A broker answers the requests of one connection in turn, so `fetch`, which
 * waits at the broker, has a connection of its own to each node; all others share one. (`joinGroup` waits too: the adapter
 * joins on a set that it uses for nothing else.)
 *
 * Offsets are numbers: exact up to 2^53, which no partition reaches. Times are milliseconds since the epoch.
 */
export interface KafkaConnection {
  /** Of these topics, one at least, from any node. Never creates one; `unknownTopicOrPartition` for what is not there. */
  metadata(topics: readonly string[], timeoutMs: number): Promise<ClusterMetadata>
  /** Who keeps this group. */
  coordinator(group: string, timeoutMs: number): Promise<Coordinator>
  /** With `acks: all`, and without a producer id. One answer for each part, by index. */
  produce(node: KafkaNode, request: ProduceRequest, timeoutMs: number): Promise<readonly PartAnswer[]>
  /** Answers when there is something, or after `maxWaitMs`. `read_committed`. */
  fetch(node: KafkaNode, request: FetchRequest, timeoutMs: number): Promise<readonly FetchedPart[]>
  /** One answer for each part, by index. */
  listOffsets(node: KafkaNode, parts: readonly OffsetWish[], timeoutMs: number): Promise<readonly OffsetAnswer[]>

  /** Answers when every member has joined, or the rebalance timeout is over; `timeoutMs` must allow for that. */
  joinGroup(node: KafkaNode, request: JoinGroupRequest, timeoutMs: number): Promise<JoinGroupAnswer>
  /** The leader brings the assignments, everybody gets their own. */
  syncGroup(node: KafkaNode, request: SyncGroupRequest, timeoutMs: number): Promise<SyncGroupAnswer>
  heartbeat(node: KafkaNode, member: GroupMember, timeoutMs: number): Promise<ErrorCode>
  leaveGroup(node: KafkaNode, member: Omit<GroupMember, 'generation'>, timeoutMs: number): Promise<ErrorCode>
  /** What the group has committed; offset -1: nothing. One answer for each place, by index. */
  fetchOffsets(
    node: KafkaNode,
    group: string,
    places: readonly Place[],
    timeoutMs: number,
  ): Promise<readonly CommittedAnswer[]>
  /**
   * One error code for each offset, by index. With generation -1 and an empty member id: from outside, which the broker takes
   * only while the group has no members.
   */
  commitOffsets(
    node: KafkaNode,
    member: GroupMember,
    offsets: readonly CommittedOffset[],
    timeoutMs: number,
  ): Promise<readonly ErrorCode[]>

  /** Sent to the controller. One answer for each topic, by index. */
  createTopics(node: KafkaNode, topics: readonly NewTopic[], timeoutMs: number): Promise<readonly TopicAnswer[]>
  /** The configuration in force, by name. One answer for each topic, by index. */
  describeTopics(node: KafkaNode, topics: readonly string[], timeoutMs: number): Promise<readonly TopicConfiguration[]>

  /** Ends every connection. What is under way rejects as `closed`; so does everything after it. */
  close(): Promise<void>
}

/** A broker of the cluster, as metadata and coordinators name it. */
export interface KafkaNode {
  readonly id: number
  readonly host: string
  readonly port: number
}

/** One partition of one topic. */
export interface Place {
  readonly topic: string
  readonly partition: number
}

export interface ClusterMetadata {
  /** Undefined while none is elected. */
  readonly controller: KafkaNode | undefined
  readonly nodes: ReadonlyMap<number, KafkaNode>
  readonly topics: ReadonlyMap<string, TopicMetadata>
}

export interface TopicMetadata {
  readonly errorCode: ErrorCode
  /** In no order. Also those without a leader. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly id: number
  /** A node id; -1: none now. */
  readonly leader: number
  readonly replicas: number
}

export interface Coordinator {
  readonly errorCode: ErrorCode
  /** Undefined with an error. */
  readonly node: KafkaNode | undefined
}

export interface ProduceRequest {
  /** How long the broker may wait for its replicas. */
  readonly ackTimeoutMs: number
  readonly compression: Compression
  /** At most one for each place: its records are one batch, stored or refused as a whole, in this order. */
  readonly parts: readonly ProducePart[]
}

export interface ProducePart extends Place {
  readonly records: readonly OutgoingRecord[]
}

export interface OutgoingRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly timestamp: number
}

export interface PartAnswer {
  readonly errorCode: ErrorCode
}

export interface FetchRequest {
  readonly maxWaitMs: number
  readonly maxBytes: number
  /** Where this member is, for brokers that name a nearer replica; empty: nowhere. */
  readonly rack: string
  readonly parts: readonly FetchPart[]
}

export interface FetchPart extends Place {
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchedPart extends Place {
  readonly errorCode: ErrorCode
  /** The offset behind the last record that readers may see. Meaningless with an error. */
  readonly end: number
  /** The first offset that is still kept; -1: the broker does not say. */
  readonly start: number
  /** A node to fetch from instead; -1: none. */
  readonly preferredReplica: number
  /** In order, from the offset that was asked for. Without what is no message: control records, aborted transactions. */
  readonly records: readonly IncomingRecord[]
  /**
   * Where to fetch next: behind everything that was read, what was filtered and what compaction took away included. The
   * offset that was asked for when nothing was read.
   */
  readonly next: number
}

export interface IncomingRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** Null: a tombstone. */
  readonly value: Uint8Array | null
  /** As stored, in order, names as they are and perhaps repeated. Looked through at most once, and late. */
  eachHeader(visit: (name: string, value: Uint8Array | null) => void): void
}

export interface OffsetWish extends Place {
  /** `latest` is what readers may see; a time: the first offset stored at that time or later. */
  readonly at: 'earliest' | 'latest' | { readonly time: number }
}

export interface OffsetAnswer {
  readonly errorCode: ErrorCode
  /** -1: there is none. */
  readonly offset: number
}

export interface JoinGroupRequest {
  readonly group: string
  /** Empty the first time; the broker then answers `memberIdRequired` with one to join with. */
  readonly memberId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Of protocol type `consumer`; the broker picks one that all members know. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
}

export interface JoinGroupAnswer {
  readonly errorCode: ErrorCode
  readonly generation: number
  readonly memberId: string
  readonly leaderId: string
  readonly protocol: string
  /** Everybody, told to the leader only. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[]
}

export interface GroupMember {
  readonly group: string
  readonly memberId: string
  readonly generation: number
}

export interface SyncGroupRequest extends GroupMember {
  /** Empty except from the leader. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface SyncGroupAnswer {
  readonly errorCode: ErrorCode
  readonly assignment: Uint8Array
}

export interface CommittedOffset extends Place {
  /** Of the first message that is not settled. */
  readonly offset: number
  /** A short text that the broker keeps beside it. */
  readonly metadata: string
}

export interface CommittedAnswer extends OffsetAnswer {
  readonly metadata: string
}

export interface NewTopic {
  readonly name: string
  /** -1: the broker's own default. */
  readonly partitions: number
  /** -1: the broker's own default. */
  readonly replication: number
  readonly configuration: Readonly<Record<string, string>>
}

export interface TopicAnswer {
  readonly errorCode: ErrorCode
  /** What the broker says to it. */
  readonly message: string | undefined
}

export interface TopicConfiguration {
  readonly errorCode: ErrorCode
  readonly values: ReadonlyMap<string, string>
}
