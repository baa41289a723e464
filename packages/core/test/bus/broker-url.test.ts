import { describe, expect, it } from 'vitest'
import { parseBrokerUrl } from '../../src/driver/broker-url.ts'

describe('a broker URL', () => {
  it('has several hosts, decoded credentials, a path and parameters', () => {
    const url = parseBrokerUrl(
      'kafka+SSL://us%40er:p%3A%2Fss@one:9092,two,[::1]:9094/a%2Fb/c?sasl=plain&client=kafkajs',
    )
    expect(url).toMatchObject({
      scheme: 'kafka+ssl',
      username: 'us@er',
      password: 'p:/ss',
      hosts: [
        { host: 'one', port: 9092 },
        { host: 'two', port: undefined },
        { host: '::1', port: 9094 },
      ],
      path: 'a/b/c',
    })
    expect([...url.parameters]).toEqual([
      ['sasl', 'plain'],
      ['client', 'kafkajs'],
    ])
  })

  it.each([
    ['memory:', { hosts: [], path: undefined }],
    ['memory:shop', { hosts: [], path: 'shop' }],
    ['memory://shop', { hosts: [{ host: 'shop', port: undefined }], path: undefined }],
    ['amqp://host', { path: undefined }],
    ['amqp://host/', { path: '' }],
    ['amqp://host/%2F', { path: '/' }],
    ['amqp://user@host', { username: 'user', password: undefined }],
    ['amqp://user:@host', { username: 'user', password: '' }],
    ['amqp://a:b@c@host', { username: 'a', password: 'b@c' }],
  ])('%s is read as it is written', (text, parts) => {
    expect(parseBrokerUrl(text)).toMatchObject(parts)
  })

  it.each([
    ['no url', 'is not a URL'],
    ['kafka://user:secret@host#part', 'is not a URL'],
    ['kafka://user:secret@one,,two', 'host 2'],
    ['kafka://user:secret@one:0', 'host 1'],
    ['kafka://user:secret@one:65536', 'host 1'],
    ['kafka://user:secret@one:port', 'host 1'],
    ['kafka://user:secret%@one', 'the password'],
    ['kafka://%:secret@one', 'the user'],
    ['kafka://user:secret@one/%', 'the path'],
  ])('%s is refused by its part and never repeated', (text, part) => {
    let refusal: unknown
    try {
      parseBrokerUrl(text, 'routes.a.broker')
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(part) })
    expect(String(refusal)).toContain('routes.a.broker')
    expect(String(refusal)).not.toContain('secret')
  })
})
