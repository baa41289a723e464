import { randomUUID } from 'node:crypto'
import { parseBrokerUrl } from '@mekong/core/driver'
import { sharedKafka } from '@mekong/stack'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type {
  Compression,
  IncomingRecord,
  KafkaConnection,
  KafkaNode,
  OutgoingRecord,
  Place,
} from '../src/client/kafka-client.ts'
import { kafkaError, KafkaRequestError } from '../src/client/kafka-error.ts'
import { clientCases, plainSettings } from './support/kafka-clients.ts'

const TIMEOUT_MS = 15_000

describe.each(clientCases)('the Kafka client $name', ({ create }) => {
  let seeds: { host: string; port: number }[]
  let connection: KafkaConnection

  beforeAll(async () => {
    const { hosts } = parseBrokerUrl((await sharedKafka()).url)
    seeds = hosts.map(({ host, port }) => ({ host, port: port ?? 9092 }))
    connection = create(plainSettings(seeds)).connect()
  })

  afterAll(() => connection.close())

  const someNode = async (): Promise<KafkaNode> => {
    const { controller } = await connection.metadata(['none-such'], TIMEOUT_MS)
    expect(controller).toBeDefined()
    return controller!
  }

  const newTopic = async (partitions = 1, configuration: Readonly<Record<string, string>> = {}): Promise<string> => {
    const name = `client-${randomUUID()}`
    const answers = await connection.createTopics(
      await someNode(),
      [{ name, partitions, replication: -1, configuration }],
      TIMEOUT_MS,
    )
    expect(answers).toEqual([{ errorCode: kafkaError.none, message: undefined }])
    // Metadata names a leader some milliseconds before that broker knows.
    for (let partition = 0; partition < partitions; partition++) {
      await vi.waitFor(async () => {
        const place = { topic: name, partition }
        const leader = await leaderOf(place)
        expect(leader).toBeDefined()
        const [answer] = await connection.listOffsets(leader!, [{ ...place, at: 'latest' }], TIMEOUT_MS)
        expect(answer?.errorCode).toBe(kafkaError.none)
      }, 10_000)
    }
    return name
  }

  const leaderOf = async ({ topic, partition }: Place): Promise<KafkaNode | undefined> => {
    const { topics, nodes } = await connection.metadata([topic], TIMEOUT_MS)
    return nodes.get(topics.get(topic)?.partitions.find(({ id }) => id === partition)?.leader ?? -1)
  }

  const store = async (place: Place, records: readonly OutgoingRecord[], compression: Compression = 'none') => {
    const request = { ackTimeoutMs: TIMEOUT_MS, compression, parts: [{ ...place, records }] }
    const [answer] = await connection.produce((await leaderOf(place))!, request, TIMEOUT_MS)
    return answer!.errorCode
  }

  const read = async (place: Place, offset: number, maxWaitMs = 500) => {
    const parts = [{ ...place, offset, maxBytes: 1_000_000 }]
    const request = { maxWaitMs, maxBytes: 1_000_000, rack: '', parts }
    const [part] = await connection.fetch((await leaderOf(place))!, request, TIMEOUT_MS)
    return part!
  }

  const texts = (records: Awaited<ReturnType<typeof read>>['records']): (string | undefined)[] =>
    records.map(({ value }) => (value === null ? undefined : Buffer.from(value).toString()))

  it('tells what is not there as data', async () => {
    const topic = await newTopic(3)
    const { topics, nodes } = await connection.metadata([topic, 'none-such'], TIMEOUT_MS)
    expect(topics.get('none-such')?.errorCode).toBe(kafkaError.unknownTopicOrPartition)
    expect(topics.get(topic)?.errorCode).toBe(kafkaError.none)
    expect(
      topics
        .get(topic)
        ?.partitions.map(({ id }) => id)
        .toSorted(),
    ).toEqual([0, 1, 2])
    expect(nodes.get(topics.get(topic)!.partitions[0]!.leader)).toMatchObject({ port: expect.any(Number) })
  })

  it.each<Compression>(['none', 'gzip'])('gives back what it stored, compressed by %s', async compression => {
    const place = { topic: await newTopic(), partition: 0 }
    const timestamp = Date.now() - 5000
    const records: OutgoingRecord[] = [
      { key: bytes('k\u00e9y'), value: bytes('one'), headers: { 'ce-id': '1', name: 'J\u00f6rg' }, timestamp },
      { key: null, value: bytes(''), headers: {}, timestamp: timestamp + 1 },
      { key: bytes(''), value: Uint8Array.of(0, 255, 128), headers: { empty: '' }, timestamp: timestamp + 2 },
    ]
    expect(await store(place, records, compression)).toBe(kafkaError.none)

    const part = await read(place, 0)
    expect(part).toMatchObject({ errorCode: 0, end: 3, start: 0, next: 3, preferredReplica: -1 })
    expect(
      part.records.map(record => ({
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key === null ? null : [...record.key],
        value: record.value === null ? null : [...record.value],
        headers: headersOf(record),
      })),
    ).toEqual(
      records.map(({ key, value, headers, timestamp }, offset) => ({
        offset,
        timestamp,
        key: key === null ? null : [...key],
        value: [...value],
        headers: Object.entries(headers),
      })),
    )
  })

  it('reads from the middle of a batch', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    await store(place, ['a', 'b', 'c', 'd'].map(record))
    const part = await read(place, 2)
    expect(texts(part.records)).toEqual(['c', 'd'])
    expect(part.next).toBe(4)
  })

  it('waits for what is not there yet, and says where to go on', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    expect(await read(place, 0, 50)).toMatchObject({ errorCode: 0, records: [], next: 0, end: 0 })
    const waiting = read(place, 0, 10_000)
    await store(place, [record('now')])
    expect(texts((await waiting).records)).toEqual(['now'])
  })

  it('answers for each part by itself', async () => {
    const topic = await newTopic(2)
    const parts = [
      { topic, partition: 7, records: [record('nowhere')] },
      { topic, partition: 1, records: [record('there')] },
    ]
    const node = (await leaderOf({ topic, partition: 1 }))!
    const answers = await connection.produce(node, { ackTimeoutMs: 5000, compression: 'none', parts }, TIMEOUT_MS)
    expect(answers.map(({ errorCode }) => errorCode)).toEqual([kafkaError.unknownTopicOrPartition, kafkaError.none])
    expect(texts((await read({ topic, partition: 1 }, 0)).records)).toEqual(['there'])
  })

  it('tells of a record that is too large as data', async () => {
    const place = { topic: await newTopic(1, { 'max.message.bytes': '2000' }), partition: 0 }
    expect(await store(place, [record('x'.repeat(5000))])).toBe(kafkaError.messageTooLarge)
  })

  it('tells of an offset that is not there as data', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    await store(place, [record('a')])
    expect(await read(place, 50)).toMatchObject({ errorCode: kafkaError.offsetOutOfRange, records: [], next: 50 })
  })

  it('finds offsets by time', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    const now = Date.now()
    await store(
      place,
      [-3000, -2000, -1000].map(before => ({ ...record('x'), timestamp: now + before })),
    )
    const node = (await leaderOf(place))!
    const at = ['earliest', 'latest', { time: now - 2500 }, { time: now + 60_000 }] as const
    const answers: unknown[] = []
    for (const one of at) answers.push(...(await connection.listOffsets(node, [{ ...place, at: one }], TIMEOUT_MS)))
    expect(answers).toEqual([0, 3, 1, -1].map(offset => ({ errorCode: 0, offset })))
    const wishes = [
      { topic: place.topic, partition: 9, at: 'latest' as const },
      { ...place, at: 'latest' as const },
    ]
    expect(await connection.listOffsets(node, wishes, TIMEOUT_MS)).toMatchObject([
      { errorCode: kafkaError.unknownTopicOrPartition },
      { errorCode: 0, offset: 3 },
    ])
  })

  it('leaves out what was aborted and what is no message', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    const producer = new Kafka({
      brokers: seeds.map(({ host, port }) => `${host}:${port}`),
      logLevel: logLevel.NOTHING,
    }).producer({ transactionalId: randomUUID(), maxInFlightRequests: 1 })
    await producer.connect()
    const transact = async (values: readonly string[], end: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction()
      const messages = values.map(value => ({ partition: place.partition, value }))
      await transaction.send({ topic: place.topic, messages, acks: -1 })
      await transaction[end]()
    }
    await transact(['a1', 'a2'], 'commit')
    await transact(['b1', 'b2'], 'abort')
    await store(place, [record('plain')])
    await transact(['c1'], 'abort')
    await transact(['d1'], 'commit')
    await producer.disconnect()

    const part = await read(place, 0)
    expect(texts(part.records)).toEqual(['a1', 'a2', 'plain', 'd1'])
    expect(part.next).toBe(part.end)
    expect(part.next).toBe(11)
    expect(texts((await read(place, part.records[2]!.offset)).records)).toEqual(['plain', 'd1'])
  })

  describe('in a group', () => {
    /** The first group of a new broker has to wait for it. */
    const coordinatorOf = (member: KafkaConnection, group: string) =>
      vi.waitFor(
        async () => {
          const coordinator = await member.coordinator(group, TIMEOUT_MS)
          expect(coordinator.errorCode).toBe(kafkaError.none)
          return coordinator
        },
        { timeout: 10_000 },
      )

    const join = async (member: KafkaConnection, { group, memberId = '' }: { group: string; memberId?: string }) => {
      const { node } = await coordinatorOf(member, group)
      const request = {
        group,
        sessionTimeoutMs: 6000,
        rebalanceTimeoutMs: 8000,
        protocols: [{ name: 'mekong', metadata: subscription }],
      }
      const first = await vi.waitFor(
        async () => {
          const answer = await member.joinGroup(node!, { ...request, memberId }, TIMEOUT_MS)
          expect([kafkaError.none, kafkaError.memberIdRequired]).toContain(answer.errorCode)
          return answer
        },
        { timeout: 10_000 },
      )
      if (first.errorCode !== kafkaError.memberIdRequired) return { node: node!, answer: first }
      return {
        node: node!,
        answer: await member.joinGroup(node!, { ...request, memberId: first.memberId }, TIMEOUT_MS),
      }
    }

    it('joins, keeps its place, commits and leaves', async () => {
      const group = `client-${randomUUID()}`
      const topic = await newTopic(2)
      const { node, answer } = await join(connection, { group })
      const { generation, memberId } = answer
      expect(answer).toMatchObject({ errorCode: 0, leaderId: memberId, protocol: 'mekong' })
      expect(answer.members.map(({ metadata }) => Buffer.from(metadata))).toEqual([Buffer.from(subscription)])
      const member = { group, memberId, generation }

      const assignments = [{ memberId, assignment: subscription }]
      const synced = await connection.syncGroup(node, { ...member, assignments }, TIMEOUT_MS)
      expect([synced.errorCode, Buffer.from(synced.assignment)]).toEqual([0, Buffer.from(subscription)])
      expect(await connection.heartbeat(node, member, TIMEOUT_MS)).toBe(kafkaError.none)

      const offsets = [{ topic, partition: 1, offset: 41, metadata: 'why' }]
      expect(await connection.commitOffsets(node, member, offsets, TIMEOUT_MS)).toEqual([kafkaError.none])
      const stale = { ...member, generation: generation - 1 }
      expect(await connection.commitOffsets(node, stale, offsets, TIMEOUT_MS)).toEqual([kafkaError.illegalGeneration])
      const places = [
        { topic, partition: 0 },
        { topic, partition: 1 },
      ]
      expect(await connection.fetchOffsets(node, group, places, TIMEOUT_MS)).toEqual([
        { errorCode: 0, offset: -1, metadata: '' },
        { errorCode: 0, offset: 41, metadata: 'why' },
      ])

      expect(await connection.heartbeat(node, { ...member, memberId: 'nobody' }, TIMEOUT_MS)).toBe(
        kafkaError.unknownMemberId,
      )
      expect(await connection.leaveGroup(node, member, TIMEOUT_MS)).toBe(kafkaError.none)
      expect(await connection.heartbeat(node, member, TIMEOUT_MS)).toBe(kafkaError.unknownMemberId)
      const outside = { group, memberId: '', generation: -1 }
      const moved = [{ topic, partition: 1, offset: 5, metadata: '' }]
      expect(await connection.commitOffsets(node, outside, moved, TIMEOUT_MS)).toEqual([kafkaError.none])
    })

    it('learns of a rebalance from its heartbeat, and waits for the others without holding up anything else', async () => {
      const group = `client-${randomUUID()}`
      const topic = await newTopic()
      const [first, second] = [create(plainSettings(seeds)).connect(), create(plainSettings(seeds)).connect()]
      const one = await join(first, { group })
      const member = { group, memberId: one.answer.memberId, generation: one.answer.generation }
      await first.syncGroup(one.node, { ...member, assignments: [] }, TIMEOUT_MS)

      const joining = join(second, { group })
      await expect
        .poll(() => first.heartbeat(one.node, member, TIMEOUT_MS), { timeout: 10_000 })
        .toBe(kafkaError.rebalanceInProgress)
      const fetched = await second.fetch(
        one.node,
        { maxWaitMs: 10, maxBytes: 1000, rack: '', parts: [{ topic, partition: 0, offset: 0, maxBytes: 1000 }] },
        TIMEOUT_MS,
      )
      expect(fetched).toHaveLength(1)

      const again = await join(first, { group, memberId: member.memberId })
      const other = await joining
      expect(other.answer.generation).toBe(again.answer.generation)
      expect(again.answer.generation).toBeGreaterThan(member.generation)
      expect(again.answer.members.length + other.answer.members.length).toBe(2)
      await first.close()
      await second.close()
    })
  })

  it('creates topics and tells how they are configured', async () => {
    const topic = await newTopic(1, { 'retention.ms': '123456', 'cleanup.policy': 'compact' })
    const node = await someNode()
    const [again] = await connection.createTopics(
      node,
      [{ name: topic, partitions: 1, replication: -1, configuration: {} }],
      TIMEOUT_MS,
    )
    expect(again).toMatchObject({ errorCode: kafkaError.topicAlreadyExists, message: expect.any(String) })
    const [configuration, missing] = await connection.describeTopics(node, [topic, 'none-such'], TIMEOUT_MS)
    expect(configuration!.values.get('retention.ms')).toBe('123456')
    expect(configuration!.values.get('cleanup.policy')).toBe('compact')
    expect(missing!.errorCode).toBe(kafkaError.unknownTopicOrPartition)
  })

  it('rejects what is under way when it is closed, and everything after it', async () => {
    const topic = await newTopic()
    const node = (await leaderOf({ topic, partition: 0 }))!
    const closing = create(plainSettings(seeds)).connect()
    await closing.metadata([topic], TIMEOUT_MS)
    const parts = [{ topic, partition: 0, offset: 0, maxBytes: 1000 }]
    const fetching = closing.fetch(node, { maxWaitMs: 10_000, maxBytes: 1000, rack: '', parts }, TIMEOUT_MS)
    const failure = fetching.catch((error: unknown) => error)
    await closing.metadata([topic], TIMEOUT_MS)
    await closing.close()
    expect(await failure).toBeInstanceOf(KafkaRequestError)
    expect(await failure).toMatchObject({ failure: 'closed' })
    await expect(closing.metadata([topic], TIMEOUT_MS)).rejects.toMatchObject({ failure: 'closed' })
    await expect(
      closing.heartbeat(node, { group: 'g', memberId: 'm', generation: 1 }, TIMEOUT_MS),
    ).rejects.toMatchObject({
      failure: 'closed',
    })
  })

  it('drops the connection when there is no answer in time, and goes on with another', async () => {
    const place = { topic: await newTopic(), partition: 0 }
    const node = (await leaderOf(place))!
    const parts = [{ ...place, offset: 0, maxBytes: 1000 }]
    const request = { maxWaitMs: 10_000, maxBytes: 1000, rack: '', parts }
    await expect(connection.fetch(node, request, 300)).rejects.toMatchObject({ failure: 'unanswered' })
    expect(await read(place, 0, 10)).toMatchObject({ errorCode: 0 })
  })

  it('finds the cluster although one of its brokers is gone', async () => {
    const client = create(plainSettings([{ host: '127.0.0.1', port: 1 }, ...seeds])).connect()
    const metadata = await vi.waitFor(() => client.metadata(['none-such'], TIMEOUT_MS), { timeout: 10_000 })
    expect(metadata.nodes.size).toBeGreaterThan(0)
    await client.close()
  })

  it('says that nothing was sent where nobody listens', async () => {
    const client = create(plainSettings([{ host: '127.0.0.1', port: 1 }])).connect()
    const failure = client.metadata(['none-such'], 3000)
    await expect(failure).rejects.toBeInstanceOf(KafkaRequestError)
    await expect(failure).rejects.toMatchObject({ failure: 'unsent', message: expect.stringContaining('127.0.0.1:1') })
    await client.close()
  })
})

/** Version 0, no topics, one byte of user data: the broker reads it, too, and a group that it cannot read never ends its join. */
const subscription = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7)

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function record(value: string): OutgoingRecord {
  return { key: null, value: bytes(value), headers: {}, timestamp: Date.now() }
}

function headersOf(record: IncomingRecord): readonly (readonly [name: string, value: string | null])[] {
  const headers: (readonly [string, string | null])[] = []
  record.eachHeader((name, value) => headers.push([name, value === null ? null : Buffer.from(value).toString()]))
  return headers
}
