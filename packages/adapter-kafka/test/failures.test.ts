import { describe, expect, it } from 'vitest'
import { kafkaError, KafkaBrokerError, KafkaRequestError, type KafkaErrorName } from '../src/client/kafka-error.ts'
import { classify, fateOfAnswer, fateOfFailure } from '../src/kafka-failures.ts'

describe('the fate of a publish', () => {
  it('is stored when the leader says so', () => {
    expect(fateOfAnswer(kafkaError.none, 'publish')).toEqual({ is: 'stored' })
  })

  it.each<KafkaErrorName>([
    'messageTooLarge',
    'invalidRecord',
    'invalidTopic',
    'topicAuthorizationFailed',
    'notEnoughReplicas',
    'policyViolation',
    'corruptMessage',
  ])('is not-stored when the leader refuses before it appends: %s', name => {
    expect(fateOfAnswer(kafkaError[name], 'publish').is).toBe('not-stored')
  })

  // A leader that is deposed while it waits for its replicas answers so for what it has appended.
  it.each<KafkaErrorName>([
    'notLeaderOrFollower',
    'requestTimedOut',
    'notEnoughReplicasAfterAppend',
    'unknownServerError',
    'networkException',
    'kafkaStorageError',
    'unknownTopicOrPartition',
  ])('is unknown when the leader may have appended: %s', name => {
    expect(fateOfAnswer(kafkaError[name], 'publish').is).toBe('unknown')
  })

  it('is unknown for a code that Kafka has added since', () => {
    expect(fateOfAnswer(4711, 'publish').is).toBe('unknown')
  })

  it.each([
    ['unsent', 'not-stored'],
    ['denied', 'not-stored'],
    ['unsupported', 'not-stored'],
    ['unanswered', 'unknown'],
    ['closed', 'unknown'],
  ] as const)('of a request that is %s is %s', (failure, fate) => {
    expect(fateOfFailure(new KafkaRequestError(failure, 'Produce')).is).toBe(fate)
  })

  it('is unknown after any other error', () => {
    expect(fateOfFailure(new TypeError('a mistake of the client')).is).toBe('unknown')
  })
})

describe('what an error means', () => {
  it.each<[KafkaErrorName, string]>([
    ['messageTooLarge', 'too-large'],
    ['recordListTooLarge', 'too-large'],
    ['invalidRecord', 'illegal'],
    ['invalidTopic', 'refused'],
    ['unknownTopicOrPartition', 'refused'],
    ['topicAuthorizationFailed', 'refused'],
    ['throttlingQuotaExceeded', 'throttled'],
    ['notLeaderOrFollower', 'transient'],
    ['notEnoughReplicas', 'transient'],
    ['unknownServerError', 'transient'],
  ])('%s: %s', (name, failure) => {
    expect(classify(new KafkaBrokerError(kafkaError[name], 'publish'))).toBe(failure)
  })

  it('of a closed connection is closed, of refused credentials transient: they may be rotated', () => {
    expect(classify(new KafkaRequestError('closed', 'Produce'))).toBe('closed')
    expect(classify(new KafkaRequestError('denied', 'Produce'))).toBe('transient')
  })

  it.each([undefined, 'text', { code: 10 }, new Error('any')])('of anything else is transient', error => {
    expect(classify(error)).toBe('transient')
  })

  it('is told by the name of the code', () => {
    expect(new KafkaBrokerError(6, 'publish to orders/1').message).toBe('publish to orders/1: NOT_LEADER_OR_FOLLOWER')
    expect(new KafkaBrokerError(4711, 'publish').message).toBe('publish: error 4711')
  })
})
