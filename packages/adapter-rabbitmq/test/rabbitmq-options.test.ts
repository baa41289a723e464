import { parseBrokerUrl } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { adapter, rabbitmq, type RabbitMqOptions } from '../src/index.ts'
import { optionsOfUrl } from '../src/rabbitmq-adapter.ts'
import { resolveRabbitMqOptions } from '../src/rabbitmq-driver-options.ts'

const endpointsOf = (url: string): unknown =>
  resolveRabbitMqOptions(optionsOfUrl(parseBrokerUrl(url))).connection.endpoints

describe('options', () => {
  it('reads user, password, several hosts and a virtual host from a URL', () => {
    expect(endpointsOf('amqp://shop:p%40ss@one:5673,two,[::1]:5674/sales%2Feu')).toMatchObject([
      { protocol: 'amqp', hostname: 'one', port: 5673, username: 'shop', password: 'p@ss', vhost: 'sales%2Feu' },
      { hostname: 'two', port: 5672 },
      { hostname: '::1', port: 5674 },
    ])
  })

  it('takes the default virtual host for none, and for an empty one', () => {
    for (const url of ['amqp://one', 'amqp://one/', 'amqp://one/%2F']) {
      expect(endpointsOf(url)).toMatchObject([{ vhost: '%2F', username: 'guest', heartbeat: 10 }])
    }
  })

  it('speaks TLS where the URL says so, on its own port, and checks certificates', () => {
    expect(endpointsOf('amqps://one')).toMatchObject([{ protocol: 'amqps', port: 5671 }])
    const { socket } = resolveRabbitMqOptions(optionsOfUrl(parseBrokerUrl('amqps://one'))).connection
    expect(socket).not.toHaveProperty('rejectUnauthorized')
  })

  it('reads numbers and topics to replay from parameters', () => {
    const options = resolveRabbitMqOptions(optionsOfUrl(parseBrokerUrl('amqp://one?queues=16&replay=orders,stock')))
    expect(options.queues).toBe(16)
    expect(options.isReplayed('stock')).toBe(true)
    expect(options.isReplayed('other')).toBe(false)
  })

  it.each([
    ['amqp:', 'it has no host'],
    ['amqp://one?heartbeat=5', 'heartbeat is not a parameter'],
    ['amqp://one?queues=129', 'queues must be an integer from 1 to 128'],
    ['amqp://one?queues=many', 'queues must be an integer'],
    ['amqp://one?deliveryLimit=20', 'deliveryLimit must be an integer from 100'],
    ['amqp://one?heartbeatMs=0', 'heartbeatMs must be an integer from 1000'],
    ['amqp://one?replay=a:b', 'no topic name'],
  ])('refuses %s', (url, why) => {
    const secret = url.replace('amqp://', 'amqp://user:secret@')
    const open = (): unknown => adapter.open(parseBrokerUrl(secret))
    return expect(open()).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(new RegExp(`^(?!.*secret).*${why}`)) as string,
    })
  })

  it('refuses unknown options and hosts that are none', () => {
    const wrong: readonly unknown[] = [
      { hosts: 'one', prefetch: 5 },
      { hosts: [] },
      {},
      { hosts: 'amqp://one' },
      { hosts: 'one:99999' },
    ]
    for (const options of wrong) {
      expect(() => rabbitmq(options as RabbitMqOptions)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIGURATION' }),
      )
    }
  })

  it('passes the tuning of amqplib through', () => {
    const { connection } = resolveRabbitMqOptions({
      hosts: 'one',
      amqplib: { connect: { frameMax: 8192 }, socket: { noDelay: false } },
    })
    expect(connection.endpoints[0]).toMatchObject({ frameMax: 8192 })
    expect(connection.socket).toMatchObject({ noDelay: false, keepAlive: true })
  })
})
