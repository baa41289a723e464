import type { Kafka } from 'kafkajs'
import filter from 'kafkajs/src/consumer/filterAbortedMessages.js'
import requests from 'kafkajs/src/protocol/requests/index.js'
import { MekongError } from '@mekong/core/driver'
import { FIRST_VERSION_OF_BATCHES, produceBody, type ProduceParameters } from './produce-body.ts'

/**
 * What this adapter uses below the surface of kafkajs 2.2: its connections with TLS and SASL, and its codecs of requests and
 * answers. The surface throws away all answers of a request when one of them is an error, and its consumer decides much that
 * the driver contract leaves to the bus (docs/decisions/0008). 2.2.4 is the last version, so the ground does not move.
 */
export interface Cluster {
  readonly connectionPoolBuilder: { build(address?: { host: string; port: number }): Promise<ConnectionPool> }
  readonly brokerPool: { createBroker(options: object): Broker }
  readonly rootLogger: unknown
}

interface ConnectionPool {
  readonly host: string
  readonly port: number
  readonly connectionTimeout: number
  /** Two: the second for fetches. */
  readonly pool: readonly Connection[]
  send(request: ProtocolRequest): Promise<unknown>
}

interface Connection {
  readonly requestQueue: { rejectAll(error: unknown): void; destroy(): void }
  readonly socket?: { destroy(): void }
  isConnected(): boolean
  connect(): Promise<unknown>
}

/** Connections to one node: one for fetches, one for everything else. */
export interface Broker {
  readonly connectionPool: ConnectionPool
  /** Knows nothing before `connect`. */
  readonly lookupRequest: (apiKey: number, definition: RequestDefinition) => (parameters: object) => ProtocolRequest
  /** Connects, asks for API versions, authenticates. */
  connect(): Promise<void>
  disconnect(): Promise<void>
}

export interface ProtocolRequest {
  readonly request: { readonly apiVersion: number; readonly encode: () => Promise<unknown> }
  readonly response: { decode(bytes: Buffer): Promise<unknown>; parse(data: unknown): Promise<unknown> }
  readonly requestTimeout?: number
  readonly logResponseError?: boolean
}

type RequestDefinition = object

export type RequestName =
  | 'Produce'
  | 'Fetch'
  | 'ListOffsets'
  | 'Metadata'
  | 'OffsetCommit'
  | 'OffsetFetch'
  | 'GroupCoordinator'
  | 'JoinGroup'
  | 'Heartbeat'
  | 'LeaveGroup'
  | 'SyncGroup'
  | 'CreateTopics'
  | 'DescribeConfigs'

/** https://kafka.apache.org/protocol#protocol_api_keys */
const apiKeys: Readonly<Record<RequestName, number>> = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  GroupCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  CreateTopics: 19,
  DescribeConfigs: 32,
}

/** In the version that kafkajs and this broker have in common. `parameters` as its codec takes them. */
export function protocolRequest(broker: Broker, name: RequestName, parameters: object): ProtocolRequest {
  const given = broker.lookupRequest(apiKeys[name], requests.requests[name] as object)(parameters)
  if (name !== 'Produce' || given.request.apiVersion < FIRST_VERSION_OF_BATCHES) return given
  const encode = async (): Promise<Encoded> => {
    const buffer = await produceBody(parameters as ProduceParameters)
    return { buf: buffer, buffer }
  }
  return { ...given, request: { ...given.request, encode } }
}

/** What kafkajs takes for one of its encoders. */
interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** A record as the codec gives it. */
export interface DecodedRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>
  readonly isControlRecord?: boolean
  /** None in the message format before Kafka 0.11. */
  readonly batchContext?: { readonly firstOffset: string; readonly lastOffsetDelta: number }
}

/** Drops what belongs to transactions that were aborted. */
export const withoutAborted: (input: {
  readonly messages: readonly DecodedRecord[]
  readonly abortedTransactions: readonly object[] | null
}) => readonly DecodedRecord[] = filter

/**
 * The connections of a client: a cluster of its own, handed out where kafkajs gives one to custom assigners.
 * @throws MekongError INVALID_CONFIGURATION when this is no client of kafkajs 2.2
 */
export function openCluster(kafka: Kafka): Cluster {
  let cluster: unknown
  kafka.consumer({
    groupId: 'mekong',
    partitionAssigners: [
      options => {
        cluster = options.cluster
        return unusedAssigner
      },
    ],
  })
  if (isCluster(cluster)) return cluster
  throw new MekongError('INVALID_CONFIGURATION', 'kafka: `client` must be a Kafka object of kafkajs 2.2')
}

const unusedAssigner = {
  name: 'unused',
  version: 0,
  assign: async () => [],
  protocol: () => ({ name: 'unused', metadata: Buffer.alloc(0) }),
}

function isCluster(value: unknown): value is Cluster {
  return typeof value === 'object' && value !== null && 'connectionPoolBuilder' in value && 'brokerPool' in value
}
