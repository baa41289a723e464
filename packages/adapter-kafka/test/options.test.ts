import assert from 'node:assert/strict'
import { isMekongError, parseBrokerUrl } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { kafka } from '../src/index.ts'
import { resolveKafkaOptions, type KafkaOptions } from '../src/kafka-driver-options.ts'
import { parseKafkaUrl } from '../src/kafka-url.ts'
import { mskIamToken } from '../src/msk-iam.ts'

const SECRET = 'hunter2'

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(isMekongError(error) && error.code === 'INVALID_CONFIGURATION', String(error))
    assert.ok(!error.message.includes(SECRET), 'the message tells a secret')
    return error.message
  }
  return assert.fail('it was taken')
}

const fromUrl = (url: string) => resolveKafkaOptions(parseKafkaUrl(parseBrokerUrl(url)))

describe('a Kafka URL', () => {
  it('names several brokers, 9092 where it names no port', () => {
    expect(fromUrl('kafka://a:1,b,[::1]:3').connection).toMatchObject({
      seeds: [
        { host: 'a', port: 1 },
        { host: 'b', port: 9092 },
        { host: '::1', port: 3 },
      ],
      tls: undefined,
      sasl: undefined,
      clientId: 'mekong',
    })
  })

  it('with kafka+ssl means TLS, and user and password mean SASL', () => {
    const { tls, sasl } = fromUrl(`kafka+ssl://me:${SECRET}%40@a:1?sasl=scram-sha-512`).connection
    expect(tls).toEqual({})
    expect(sasl).toEqual({ mechanism: 'SCRAM-SHA-512', username: 'me', password: `${SECRET}@` })
    expect(fromUrl(`kafka+ssl://me:${SECRET}@a`).connection.sasl).toMatchObject({ mechanism: 'PLAIN' })
  })

  it('takes the numbers of the options', () => {
    const { compression, requestTimeoutMs, consume } = fromUrl(
      'kafka://a?compression=gzip&requestTimeoutMs=5000&sessionTimeoutMs=9000&rack=eu-1a&outOfRange=earliest',
    )
    expect({ compression, requestTimeoutMs }).toEqual({ compression: 'gzip', requestTimeoutMs: 5000 })
    expect(consume).toMatchObject({
      sessionTimeoutMs: 9000,
      rack: 'eu-1a',
      outOfRange: 'earliest',
      requestTimeoutMs: 5000,
    })
  })

  it.each([
    ['kafka://a?session=1', 'session is not an option'],
    ['kafka://a/orders', 'has no path'],
    ['kafka://a?compression=brotli', 'compression must be one of none, gzip'],
    ['kafka://a?requestTimeoutMs=soon', 'requestTimeoutMs must be a positive integer'],
    ['kafka://a?sasl=kerberos', 'sasl must be one of plain'],
    [`kafka://me:${SECRET}@a`, 'sasl=plain needs kafka+ssl://'],
    [`kafka+ssl://me@a?sasl=scram-sha-256`, 'needs user:password@'],
    ['kafka+ssl://a?sasl=aws-msk-iam', 'needs region='],
    ['kafka+ssl://a?sasl=oauthbearer', 'needs a token'],
    ['kafka://', 'brokers must name one broker at least'],
    ['kafka://a?client=librdkafka', 'client must be one of kafkajs, platformatic'],
    ['kafka://a?heartbeatIntervalMs=20000', 'at most a third of'],
    ['kafka://a?outOfRange=guess', 'outOfRange must be one of fail, earliest, latest'],
  ])('%s is refused', (url, why) => {
    expect(refusal(() => fromUrl(url))).toContain(why)
  })
})

describe('the options of Kafka', () => {
  it.each<[KafkaOptions | object, string]>([
    [{ brokers: ['a:1'], retries: 3 }, 'retries is not an option'],
    [{ brokers: ['a:1'], consume: { prefetch: 3 } }, 'prefetch is not an option'],
    [{ brokers: ['a:1'], topics: [{ match: 'a', partitions: 3 }] }, 'partitions is not an option'],
    [{ brokers: [`me:${SECRET}@a:1`] }, 'brokers[0] is not of the form host:port'],
    [{ brokers: ['a:1'], maxMessageBytes: 1000 }, 'maxMessageBytes must be at least'],
    [{ client: { producer: 1, consumer: () => ({}) } }, 'must be a Kafka object of kafkajs 2.2'],
  ])('are refused at once: %j', (options, why) => {
    expect(refusal(() => kafka(options as KafkaOptions))).toContain(why)
  })

  it('drain within the time that the group gives', () => {
    const { consume } = resolveKafkaOptions({ brokers: ['a:1'], consume: { rebalanceTimeoutMs: 10_000 } })
    expect(consume.drainTimeoutMs).toBe(8000)
  })
})

describe('tokens for Amazon MSK', () => {
  it('are signed anew each time', async () => {
    let signed = 0
    const token = mskIamToken('eu-west-1', async () => ({
      generateAuthToken: async ({ region }) => ({ token: `${region} ${++signed}` }),
    }))
    expect([await token(), await token()]).toEqual(['eu-west-1 1', 'eu-west-1 2'])
  })

  it('need a package, which is named when it is missing', async () => {
    const token = mskIamToken('eu-west-1', () => Promise.reject(new Error('Cannot find package')))
    await expect(token()).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: 'kafka: sasl aws-msk-iam needs the package aws-msk-iam-sasl-signer-js',
    })
  })
})
