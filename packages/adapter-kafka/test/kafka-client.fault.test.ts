import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { parseBrokerUrl } from '@mekong/core/driver'
import { startKafka, type KafkaServer } from '@mekong/stack'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ConnectionSettings, SaslSettings } from '../src/client/connection-settings.ts'
import type { ErrorCode, KafkaConnection, KafkaNode } from '../src/client/kafka-client.ts'
import { kafkaError } from '../src/client/kafka-error.ts'
import { clientCases, plainSettings } from './support/kafka-clients.ts'

const TIMEOUT_MS = 15_000

describe('a broker with login', () => {
  let kafka: KafkaServer

  beforeAll(async () => {
    kafka = await startKafka({ tls: true, sasl: true })
  })

  afterAll(() => kafka.stop())

  describe.each(clientCases)('and the Kafka client $name', ({ create }) => {
    const attempt = async (settings: Partial<ConnectionSettings>): Promise<number> => {
      const plain = plainSettings(seedsOf(kafka))
      const connection = create({ ...plain, tls: { ca: kafka.ca }, sasl: login('PLAIN'), ...settings }).connect()
      try {
        return (await connection.metadata(['none-such'], TIMEOUT_MS)).nodes.size
      } finally {
        await connection.close()
      }
    }

    const login = (mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', password?: string): SaslSettings => ({
      mechanism,
      username: kafka.credentials!.username,
      password: password ?? kafka.credentials!.password,
    })

    it.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('logs in by %s', async mechanism => {
      expect(await attempt({ sasl: login(mechanism) })).toBe(1)
    })

    it.each(['PLAIN', 'SCRAM-SHA-512'] as const)('says that a login by %s was denied', async mechanism => {
      const password = 'not-the-password'
      const failure: unknown = await attempt({ sasl: login(mechanism, password) }).catch((error: unknown) => error)
      expect(failure).toMatchObject({ failure: 'denied' })
      expect(String(failure)).not.toContain(password)
    })

    it('sends nothing to a broker whose certificate it does not trust', async () => {
      await expect(attempt({ tls: {} })).rejects.toMatchObject({ failure: 'unsent' })
    })

    it.each([1, 2, 3, 4, 5])(
      'is not denied when the connection is lost at message %i of TLS and login',
      async count => {
        const [broker] = seedsOf(kafka)
        const cutting = createServer(client => {
          const upstream = connectTcp({ ...broker! })
          let messages = 0
          client.on('data', chunk => void (++messages < count ? upstream.write(chunk) : client.destroy()))
          upstream.on('data', chunk => void client.write(chunk))
          for (const socket of [client, upstream]) {
            socket.on('error', () => undefined)
            socket.on('close', () => void (client.destroy(), upstream.destroy()))
          }
        })
        await once(cutting.listen(0, '127.0.0.1'), 'listening')
        const { port } = cutting.address() as AddressInfo
        const seeds = [{ host: '127.0.0.1', port }]
        await expect(attempt({ seeds, sasl: login('SCRAM-SHA-512') })).rejects.toMatchObject({ failure: 'unsent' })
        cutting.close()
      },
    )

    it('sends nothing without TLS', async () => {
      await expect(attempt({ tls: undefined })).rejects.toMatchObject({ failure: 'unsent' })
    })
  })
})

describe('a broker that fails', () => {
  let kafka: KafkaServer

  beforeAll(async () => {
    kafka = await startKafka({ proxied: true })
  })

  afterAll(() => kafka.stop())

  describe.each(clientCases)('and the Kafka client $name', ({ create }) => {
    let connection: KafkaConnection

    beforeAll(async () => {
      connection = create(plainSettings(seedsOf(kafka))).connect()
      await nodes()
    })

    afterAll(() => connection.close())

    const nodes = async (timeoutMs = TIMEOUT_MS): Promise<number> =>
      (await connection.metadata(['none-such'], timeoutMs)).nodes.size

    it('gets no answer in time from a broker that is stopped, and goes on when it continues', async () => {
      await kafka.pause()
      const startedAt = performance.now()
      await expect(nodes(500)).rejects.toMatchObject({ failure: 'unanswered' })
      // The next connection is taken by the kernel of the stopped broker, and says nothing.
      await expect(nodes(500)).rejects.toMatchObject({ failure: expect.stringMatching(/^un(sent|answered)$/) })
      expect(performance.now() - startedAt).toBeLessThan(5000)
      await kafka.resume()
      await expect.poll(() => nodes(), { timeout: 30_000 }).toBe(1)
    })

    /** A request to this node and no other. */
    const beat = (from: KafkaConnection, node: KafkaNode, timeoutMs = TIMEOUT_MS): Promise<ErrorCode> =>
      from.heartbeat(node, { group: 'none-such', memberId: 'nobody', generation: 1 }, timeoutMs)

    it('tells everybody who waits when a connection is lost, and opens another for who comes next', async () => {
      const { controller } = await connection.metadata(['none-such'], TIMEOUT_MS)
      await beat(connection, controller!)
      const isCut = kafka.proxies[0]!.cutBeforeReply()
      const asked = [1, 2, 3].map(() => beat(connection, controller!))
      const next = asked[0]!.catch(() => beat(connection, controller!))
      const answers = await Promise.allSettled(asked)
      expect(answers).toMatchObject(answers.map(() => ({ reason: { failure: 'unanswered' } })))
      expect(await isCut).toBe(true)
      expect(await next).not.toBe(kafkaError.none)
    })

    it('is not given up for those who wait longer when one request waits no longer for its connection', async () => {
      const { controller } = await connection.metadata(['none-such'], TIMEOUT_MS)
      const fresh = create(plainSettings(seedsOf(kafka))).connect()
      kafka.proxies[0]!.stall('to-client')
      const patient = beat(fresh, controller!)
      await expect(beat(fresh, controller!, 200)).rejects.toMatchObject({ failure: 'unsent' })
      kafka.proxies[0]!.flow('to-client')
      expect(await patient).not.toBe(kafkaError.none)
      await fresh.close()
    })

    it('learns at once that the broker was killed, and finds it again', async () => {
      const { controller } = await connection.metadata(['none-such'], TIMEOUT_MS)
      const topic = { name: `killed-${randomUUID()}`, partitions: 1, replication: 1, configuration: {} }
      await connection.createTopics(controller!, [topic], TIMEOUT_MS)
      const fetch = (maxWaitMs: number) => {
        const parts = [{ topic: topic.name, partition: 0, offset: 0, maxBytes: 1000 }]
        return connection.fetch(controller!, { maxWaitMs, maxBytes: 1000, rack: '', parts }, 60_000)
      }
      await vi.waitFor(async () => expect((await fetch(10))[0]?.errorCode).toBe(kafkaError.none), 10_000)

      const waiting = fetch(50_000).catch((error: unknown) => error)
      await nodes()
      await kafka.kill()
      expect(await waiting).toMatchObject({ failure: 'unanswered' })
      // The end of another connection may not be read yet when a request goes out on it; the next one finds nobody.
      await expect(nodes(5000)).rejects.toMatchObject({ failure: expect.stringMatching(/^(unsent|unanswered)$/) })
      await expect(nodes(5000)).rejects.toMatchObject({ failure: 'unsent' })
      await kafka.restart()
      await expect.poll(() => nodes(), { timeout: 30_000 }).toBe(1)
    })
  })
})

function seedsOf({ url }: KafkaServer): ConnectionSettings['seeds'] {
  return parseBrokerUrl(url).hosts.map(({ host, port = 9092 }) => ({ host, port }))
}
