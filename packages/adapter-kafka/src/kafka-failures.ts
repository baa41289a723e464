import { MekongError, type FailureClass, type Fate } from '@mekong/core/driver'
import type { ErrorCode } from './client/kafka-client.ts'
import { kafkaError, KafkaBrokerError, KafkaRequestError, type RequestFailure } from './client/kafka-error.ts'

/** What passes by itself needs no line: `transient` costs a try, a final class costs the event. */
const brokerFailures: ReadonlyMap<ErrorCode, FailureClass> = new Map([
  [kafkaError.messageTooLarge, 'too-large'],
  [kafkaError.recordListTooLarge, 'too-large'],
  [kafkaError.invalidRecord, 'illegal'],
  [kafkaError.invalidTimestamp, 'illegal'],
  [kafkaError.unsupportedForMessageFormat, 'illegal'],
  [kafkaError.invalidTopic, 'refused'],
  [kafkaError.unknownTopicOrPartition, 'refused'],
  [kafkaError.topicAuthorizationFailed, 'refused'],
  [kafkaError.clusterAuthorizationFailed, 'refused'],
  [kafkaError.groupAuthorizationFailed, 'refused'],
  [kafkaError.policyViolation, 'refused'],
  [kafkaError.throttlingQuotaExceeded, 'throttled'],
])

/** Credentials that are refused may be rotated, and a codec installed: no event is lost because of them. */
const requestFailures: Readonly<Record<RequestFailure, FailureClass>> = {
  unsent: 'transient',
  unanswered: 'transient',
  denied: 'transient',
  unsupported: 'transient',
  closed: 'closed',
}

export function classify(error: unknown): FailureClass {
  if (error instanceof KafkaBrokerError) return brokerFailures.get(error.code) ?? 'transient'
  if (error instanceof KafkaRequestError) return requestFailures[error.failure]
  return 'transient'
}

/**
 * The answers of a leader that come before it appends anything. All others may come after: a leader that loses its partition
 * while it waits for the replicas answers NOT_LEADER_OR_FOLLOWER for what it has appended.
 */
const refusedBeforeAppending: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  kafkaError.corruptMessage,
  kafkaError.messageTooLarge,
  kafkaError.invalidTopic,
  kafkaError.recordListTooLarge,
  kafkaError.notEnoughReplicas,
  kafkaError.topicAuthorizationFailed,
  kafkaError.clusterAuthorizationFailed,
  kafkaError.invalidTimestamp,
  kafkaError.unsupportedVersion,
  kafkaError.unsupportedForMessageFormat,
  kafkaError.policyViolation,
  kafkaError.unsupportedCompressionType,
  kafkaError.invalidRecord,
  kafkaError.throttlingQuotaExceeded,
])

export const stored: Fate = { is: 'stored' }

/** @param what for people: `publish to orders/3` */
export function fateOfAnswer(errorCode: ErrorCode, what: string): Fate {
  if (errorCode === kafkaError.none) return stored
  const error = new KafkaBrokerError(errorCode, what)
  return { is: refusedBeforeAppending.has(errorCode) ? 'not-stored' : 'unknown', error }
}

export function fateOfFailure(error: unknown): Fate {
  const isUnsent = error instanceof KafkaRequestError && error.failure !== 'unanswered' && error.failure !== 'closed'
  return { is: isUnsent ? 'not-stored' : 'unknown', error }
}

/** Who leads or keeps something has moved; what is known of the cluster is old. */
export function isStaleMetadata(errorCode: ErrorCode): boolean {
  return staleMetadata.has(errorCode)
}

const staleMetadata: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  kafkaError.unknownTopicOrPartition,
  kafkaError.leaderNotAvailable,
  kafkaError.notLeaderOrFollower,
  kafkaError.replicaNotAvailable,
  kafkaError.kafkaStorageError,
  kafkaError.fencedLeaderEpoch,
  kafkaError.unknownLeaderEpoch,
])

/** What passes by itself: whoever leads or keeps something is being looked for. */
export function isPassingAnswer(error: unknown): boolean {
  return error instanceof KafkaBrokerError && (isStaleCoordinator(error.code) || isStaleMetadata(error.code))
}

export function isStaleCoordinator(errorCode: ErrorCode): boolean {
  return (
    errorCode === kafkaError.notCoordinator ||
    errorCode === kafkaError.coordinatorNotAvailable ||
    errorCode === kafkaError.coordinatorLoadInProgress
  )
}

/** The group is sharing out its work, or has done so without this member: what is still ours may be tried again. */
export function isRebalance(errorCode: ErrorCode): boolean {
  return (
    errorCode === kafkaError.rebalanceInProgress ||
    errorCode === kafkaError.illegalGeneration ||
    errorCode === kafkaError.unknownMemberId
  )
}

/**
 * What the bus is told where it asks for something once, at its start: what will not pass by itself need not be tried again.
 */
export function atStart(error: unknown): unknown {
  const failure = error instanceof KafkaRequestError ? error.failure : undefined
  if (failure !== 'denied' && failure !== 'unsupported') return error
  return new MekongError('BROKER_UNAVAILABLE', `kafka refused: ${(error as Error).message}`, { cause: error })
}
