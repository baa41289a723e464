import { describe, expect, it } from 'vitest'
import { planNodes } from '../src/kafka/kafka-plan.ts'
import { kafkaConfiguration, type KafkaSettings } from '../src/kafka/kafka-settings.ts'
import { rabbitMqConfiguration } from '../src/rabbitmq/rabbitmq-settings.ts'
import { redisConfiguration } from '../src/redis/redis-settings.ts'

describe('the configuration of a Redis', () => {
  it('has every change handed to the system before its reply', () => {
    expect(redisConfiguration({}).split('\n')).toEqual(
      expect.arrayContaining(['bind "127.0.0.1"', 'appendonly yes', 'appendfsync "no"', 'save ""']),
    )
  })

  it('gives way to the caller, and quotes what the caller says', () => {
    const lines = redisConfiguration({ requirepass: 'a "b" c', appendonly: false }).split('\n')
    expect(lines).toEqual(expect.arrayContaining([String.raw`requirepass "a \"b\" c"`, 'appendonly no']))
    expect(lines).not.toContain('appendonly yes')
  })
})

describe('the configuration of a RabbitMQ', () => {
  const addresses = { directPort: 20_001, managementPort: 20_002, username: 'me', password: 'secret' }

  it('listens on the loopback address only, for TLS too', () => {
    const files = { caFile: '/ca', certificateFile: '/server', keyFile: '/key' }
    const text = rabbitMqConfiguration({ ...addresses, tls: { port: 20_003, ...files } }, {})
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        'listeners.tcp.1 = 127.0.0.1:20001',
        'listeners.ssl.1 = 127.0.0.1:20003',
        'management.tcp.ip = 127.0.0.1',
      ]),
    )
  })

  it('gives way to the caller', () => {
    const text = rabbitMqConfiguration(addresses, { 'disk_free_limit.absolute': '1GB' })
    expect(text).toContain('disk_free_limit.absolute = 1GB\n')
    expect(text).not.toContain('50MB')
  })
})

describe('the configuration of a Kafka', () => {
  const files = { dataFolder: '/data', keyStoreFile: '/server.pem' }
  const lines = (ports: readonly number[], settings: KafkaSettings = {}): readonly string[] => {
    const cluster = { nodes: planNodes(ports), tls: false, credentials: undefined, settings }
    return kafkaConfiguration(cluster, cluster.nodes[0]!, files).split('\n')
  }

  it('needs two of three nodes for what is acknowledged', () => {
    const three = lines([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(three).toEqual(expect.arrayContaining(['default.replication.factor=3', 'min.insync.replicas=2']))
    expect(three).toContain('controller.quorum.voters=1@127.0.0.1:3,2@127.0.0.1:6,3@127.0.0.1:9')
    expect(lines([1, 2, 3])).toEqual(expect.arrayContaining(['default.replication.factor=1', 'min.insync.replicas=1']))
  })

  it('gives way to the caller, and escapes what the caller says', () => {
    const one = lines([1, 2, 3], { 'auto.create.topics.enable': true, 'client.id': String.raw`a\b` })
    expect(one).toEqual(expect.arrayContaining(['auto.create.topics.enable=true', String.raw`client.id=a\\b`]))
    expect(one).not.toContain('auto.create.topics.enable=false')
  })
})
