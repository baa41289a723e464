import { startKafka, type KafkaServer } from '@mekong/stack'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KafkaOptions } from '../src/index.ts'
import { hostsOf } from './kafka-harness.ts'
import { KafkaBench, outgoing, unique } from './support/probe.ts'

let server: KafkaServer

beforeAll(async () => {
  server = await startKafka({ tls: true, sasl: true, storage: 'memory' })
})

afterAll(() => server.stop())

function login(mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password?: string): Partial<KafkaOptions> {
  const { username, password: right } = server.credentials!
  return { tls: { ca: server.ca! }, sasl: { mechanism, username, password: password ?? right } }
}

it.each(['kafkajs', 'platformatic'] as const)(
  'makes topics, publishes and consumes over TLS with a login: %s',
  async client => {
    await using bench = new KafkaBench(hostsOf(server.url))
    const driver = bench.driver({ ...login('scram-sha-512'), client })
    const name = unique('secured')
    const group = unique('group')
    const topics = [{ name, ordered: true, partitions: 2, retentionMs: undefined }]
    expect(await driver.topology({ topics, groups: [{ name: group, topics: [name] }] }, 'create')).toEqual([])
    const [fate] = await driver.publish([outgoing(name, 'a', 'a')], 10_000)
    expect(fate?.is).toBe('stored')
    const probe = await bench.probe(driver, { topics: [name], group, from: 'latest' })
    await probe.untilBodies(['a'])
  },
)

it.each(['kafkajs', 'platformatic'] as const)(
  'is told at its start that the password is wrong, for good: %s',
  async client => {
    await using bench = new KafkaBench(hostsOf(server.url))
    const driver = bench.driver({ ...login('scram-sha-512', 'wrong-password'), client })
    const refused = { code: 'BROKER_UNAVAILABLE', retryable: false }
    const wish = { topics: [{ name: 't', ordered: true, partitions: 1, retentionMs: undefined }], groups: [] }
    await expect(driver.topology(wish, 'verify')).rejects.toMatchObject(refused)
    const error: unknown = await bench.probe(driver, { topics: ['t'] }).catch((reason: unknown) => reason)
    expect(error).toMatchObject(refused)
    expect(String(error)).not.toContain('wrong-password')
  },
)
