import { expect, it, onTestFinished, vi } from 'vitest'
import { type KafkaServer, startKafka, type StartKafkaOptions } from '../src/index.ts'
import { type KafkaClient, type KafkaClientOptions, openKafka } from './kafka-client.ts'
import { runningCheck } from './server-place.ts'
import { describeByWay } from './ways.ts'

const topic = 'kept'
const hundred = Array.from({ length: 100 }, (_, index) => String(index))

async function start(options: StartKafkaOptions = {}): Promise<KafkaServer> {
  const server = await startKafka({ storage: 'memory', ...options })
  onTestFinished(() => server.stop())
  return server
}

async function openWithTopic(url: string, options: KafkaClientOptions = {}): Promise<KafkaClient> {
  const client = await openKafka(url, options)
  await client.admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  return client
}

describeByWay('a Kafka of our own', () => {
  it('keeps what it has acknowledged through SIGKILL and restart, and answers nothing while it is paused', async () => {
    const server = await start()
    const { url } = server
    const [node] = server.nodes
    const isThere = runningCheck(node!)
    const client = await openWithTopic(url)
    await client.produce(topic, hundred)
    await server.kill()
    expect(await isThere()).toBe(false)
    expect([server.isRunning, node!.isRunning]).toEqual([false, false])
    await server.restart()
    expect([server.isRunning, node!.isRunning, server.url]).toEqual([true, true, url])
    expect(await (await openKafka(url)).count(topic)).toBe(100)

    await server.pause()
    // All threads of a busy machine stand still a moment after the signal.
    await vi.waitFor(async () => {
      await expect(openKafka(url, { timeoutMs: 300, retries: 0 })).rejects.toThrow(/timeout|timed out/i)
    }, 10_000)
    const late = client.produce(topic, ['late'])
    await server.resume()
    await late
    expect(await client.count(topic)).toBeGreaterThan(100)
    await server.restart()
    expect(await (await openKafka(url)).count(topic)).toBeGreaterThan(100)
  })

  it('says why it does not come up', async () => {
    await expect(start({ settings: { 'num.io.threads': 'many' } })).rejects.toThrow(
      /Kafka did not come up: [^]*Invalid value many for configuration num.io.threads[^]*MEKONG_KAFKA_URL/,
    )
    await expect(start({ startTimeoutMs: 0 })).rejects.toThrow('it took no connections within 0 ms')
  })

  it('breaks the network between clients and one node by a proxy, and can be looked at past it', async () => {
    const server = await start({ proxied: true })
    const [proxy] = server.proxies
    expect(server.url).toBe(`kafka://127.0.0.1:${proxy!.port}`)
    const client = await openWithTopic(server.url, { timeoutMs: 500, retries: 0 })
    const direct = await openKafka(server.directUrl)
    await client.produce(topic, ['one'])
    const isCut = proxy!.cutBeforeReply(bytes => bytes.includes('unheard'))
    await expect(client.produce(topic, ['unheard'])).rejects.toThrow(/closed|ECONNRESET/i)
    expect(await isCut).toBe(true)
    expect(await direct.count(topic)).toBe(2)
    await proxy!.refuse()
    await expect(openKafka(server.url, { retries: 0 })).rejects.toThrow(/connect/i)
    expect(await direct.count(topic)).toBe(2)
  })

  it('takes clients by TLS that log in by any of its mechanisms, and no others', async () => {
    const server = await start({ tls: true, sasl: true })
    const { ca, credentials, url } = server
    const { username, password } = credentials!
    expect(url).toMatch(/^kafka\+ssl:\/\/mekong:[0-9a-f]{32}@127\.0\.0\.1:\d+$/)
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const { admin } = await openKafka(url, { ca, sasl: { mechanism, username, password } })
      expect((await admin.describeCluster()).brokers).toHaveLength(1)
      const guess = { mechanism, username, password: 'guess' }
      await expect(openKafka(url, { ca, sasl: guess, retries: 0 })).rejects.toThrow(/authentication/i)
    }
    const sasl = { mechanism: 'plain', username, password } as const
    await expect(openKafka(url, { ca: '', sasl, retries: 0 })).rejects.toThrow(/certificate/)
    await expect(openKafka(url, { sasl, retries: 0 })).rejects.toThrow(/connection/i)
  })

  it('of three nodes goes on while the leader is dead, loses nothing, and takes it back', async () => {
    const cluster = await start({ nodes: 3 })
    const client = await openWithTopic(cluster.url)
    const leader = async (): Promise<number> => {
      const { topics } = await client.admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0]!.partitions[0]!.leader
    }
    await client.produce(topic, hundred)
    const first = await leader()
    const node = cluster.nodes[first - 1]!
    await node.kill()
    expect(cluster.nodes.map(({ isRunning }) => isRunning)).toEqual([1, 2, 3].map(id => id !== first))
    await client.produce(topic, hundred)
    expect(await leader()).not.toBe(first)
    expect(await client.count(topic)).toBe(200)
    await node.restart()
    await cluster.kill()
    expect(cluster.isRunning).toBe(false)
    await cluster.restart()
    await client.produce(topic, ['one']) // waits for a leader
    expect(await client.count(topic)).toBe(201)
    expect(cluster.log()).toMatch(/Node 1:\n[^]*Node 3:\n/)
  })
})
