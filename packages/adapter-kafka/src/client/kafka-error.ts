import type { ErrorCode } from './kafka-client.ts'

/** The error codes of the Kafka protocol that this adapter tells apart: https://kafka.apache.org/protocol#protocol_error_codes */
export const kafkaError: Readonly<Record<KafkaErrorName, ErrorCode>> = {
  none: 0,
  unknownServerError: -1,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  invalidFetchSize: 4,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  brokerNotAvailable: 8,
  replicaNotAvailable: 9,
  messageTooLarge: 10,
  networkException: 13,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  invalidTopic: 17,
  recordListTooLarge: 18,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  invalidGroupId: 24,
  unknownMemberId: 25,
  invalidSessionTimeout: 26,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  invalidTimestamp: 32,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  invalidConfig: 40,
  notController: 41,
  invalidRequest: 42,
  unsupportedForMessageFormat: 43,
  policyViolation: 44,
  kafkaStorageError: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  unsupportedCompressionType: 76,
  offsetNotAvailable: 78,
  memberIdRequired: 79,
  groupMaxSizeReached: 81,
  fencedInstanceId: 82,
  invalidRecord: 87,
  throttlingQuotaExceeded: 89,
}

export type KafkaErrorName =
  | 'none'
  | 'unknownServerError'
  | 'offsetOutOfRange'
  | 'corruptMessage'
  | 'unknownTopicOrPartition'
  | 'invalidFetchSize'
  | 'leaderNotAvailable'
  | 'notLeaderOrFollower'
  | 'requestTimedOut'
  | 'brokerNotAvailable'
  | 'replicaNotAvailable'
  | 'messageTooLarge'
  | 'networkException'
  | 'coordinatorLoadInProgress'
  | 'coordinatorNotAvailable'
  | 'notCoordinator'
  | 'invalidTopic'
  | 'recordListTooLarge'
  | 'notEnoughReplicas'
  | 'notEnoughReplicasAfterAppend'
  | 'illegalGeneration'
  | 'inconsistentGroupProtocol'
  | 'invalidGroupId'
  | 'unknownMemberId'
  | 'invalidSessionTimeout'
  | 'rebalanceInProgress'
  | 'topicAuthorizationFailed'
  | 'groupAuthorizationFailed'
  | 'clusterAuthorizationFailed'
  | 'invalidTimestamp'
  | 'unsupportedVersion'
  | 'topicAlreadyExists'
  | 'invalidPartitions'
  | 'invalidReplicationFactor'
  | 'invalidConfig'
  | 'notController'
  | 'invalidRequest'
  | 'unsupportedForMessageFormat'
  | 'policyViolation'
  | 'kafkaStorageError'
  | 'fencedLeaderEpoch'
  | 'unknownLeaderEpoch'
  | 'unsupportedCompressionType'
  | 'offsetNotAvailable'
  | 'memberIdRequired'
  | 'groupMaxSizeReached'
  | 'fencedInstanceId'
  | 'invalidRecord'
  | 'throttlingQuotaExceeded'

const names: ReadonlyMap<ErrorCode, string> = new Map(
  Object.entries(kafkaError).map(([name, code]) => [code, name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()]),
)

/** A broker answered with an error. The message names the code, never what was sent. */
export class KafkaBrokerError extends Error {
  override readonly name = 'KafkaBrokerError'
  readonly code: ErrorCode

  /** @param what what was asked, for people: `publish to orders/3` */
  constructor(code: ErrorCode, what: string, detail?: string) {
    super(`${what}: ${names.get(code) ?? `error ${code}`}${detail === undefined ? '' : ` (${detail})`}`)
    this.code = code
  }
}

/**
 * `unsent`: surely never written to a connection. `unanswered`: may have arrived. `denied`: the broker refused who we are.
 * `unsupported`: client and broker have no version, or no codec, in common. `closed`: the connection was closed by us.
 */
export type RequestFailure = 'unsent' | 'unanswered' | 'denied' | 'unsupported' | 'closed'

export const failureWords: Readonly<Record<RequestFailure, string>> = {
  unsent: 'no connection',
  unanswered: 'no answer',
  denied: 'the broker refuses the credentials',
  unsupported: 'not supported',
  closed: 'closed',
}

/** A request has no answer. The message names the node and the request, never what was sent. */
export class KafkaRequestError extends Error {
  override readonly name = 'KafkaRequestError'
  readonly failure: RequestFailure

  constructor(failure: RequestFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.failure = failure
  }
}
