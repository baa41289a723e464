import { describe, expect, it } from 'vitest'
import { classify, RabbitMqError } from '../src/rabbitmq-failures.ts'

const error = (message: string, code?: unknown): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code })

describe('failures', () => {
  it.each([
    ['a lost socket', error('read ECONNRESET', 'ECONNRESET'), 'transient'],
    ['a refused socket', error('connect ECONNREFUSED', 'ECONNREFUSED'), 'transient'],
    ['a name that is not found', error('getaddrinfo ENOTFOUND', 'ENOTFOUND'), 'transient'],
    ['a connection that took too long', error('connect ETIMEDOUT'), 'transient'],
    ['a heartbeat that was missed', error('Heartbeat timeout'), 'transient'],
    ['a connection that the broker closes', error('Connection closed: 320 (CONNECTION-FORCED)', 320), 'transient'],
    ['an internal error of the broker', error('541 (INTERNAL-ERROR)', 541), 'transient'],
    ['a queue that another connection locks', error('405 (RESOURCE-LOCKED)', 405), 'transient'],
    ['resources that are short', error('506 (RESOURCE-ERROR)', 506), 'throttled'],
    ['an exchange that is missing', error('404 (NOT-FOUND)', 404), 'refused'],
    ['a permission that is missing', error('403 (ACCESS-REFUSED)', 403), 'refused'],
    ['other arguments than are there', error('406 (PRECONDITION-FAILED)', 406), 'refused'],
    ['a virtual host that is missing', error('530 (NOT-ALLOWED)', 530), 'refused'],
    [
      'a wrong password',
      error('Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"'),
      'refused',
    ],
    [
      'a mechanism that the broker does not speak',
      error('SASL mechanism EXTERNAL is not provided by the server'),
      'refused',
    ],
    ['a certificate that nobody trusts', error('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'), 'refused'],
    ['a frame that the broker cannot read', error('501 (FRAME-ERROR)', 501), 'illegal'],
    ['what the driver found out itself', new RabbitMqError('too-large', 'big'), 'too-large'],
    ['no error at all', undefined, 'transient'],
  ] as const)('takes %s for what it is', (_, given, expected) => {
    expect(classify(given)).toBe(expected)
  })
})
