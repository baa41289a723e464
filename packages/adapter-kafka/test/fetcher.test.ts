import { afterEach, expect, it } from 'vitest'
import type { FetchedPart, FetchRequest, KafkaConnection, KafkaNode } from '../src/client/kafka-client.ts'
import { kafkaError, KafkaRequestError } from '../src/client/kafka-error.ts'
import { ClusterView } from '../src/cluster-view.ts'
import { AssignedPartition } from '../src/group/assigned-partition.ts'
import { ConsumerHealth } from '../src/group/consumer-health.ts'
import { Fetcher } from '../src/group/fetcher.ts'

interface Fetch {
  readonly node: number
  readonly request: FetchRequest
  readonly answer: (parts: readonly FetchedPart[]) => void
  readonly fail: (error: Error) => void
}

const nodes = [1, 2].map((id): KafkaNode => ({ id, host: `node-${id}`, port: 9092 }))
let fetcher: Fetcher | undefined

afterEach(() => fetcher?.stop())

/** Two nodes, the first of which leads every partition of topic `t`, and a fetcher that is answered by hand. */
async function scripted(
  count: number,
): Promise<{ next: () => Promise<Fetch>; partitions: readonly AssignedPartition[] }> {
  const fetches: Fetch[] = []
  let isThere = (): void => undefined
  const connection = {
    metadata: async () => ({
      controller: nodes[0],
      nodes: new Map(nodes.map(node => [node.id, node])),
      topics: new Map([
        ['t', { errorCode: 0, partitions: Array.from({ length: count }, (_, id) => ({ id, leader: 1, replicas: 2 })) }],
      ]),
    }),
    fetch: ({ id: node }: KafkaNode, request: FetchRequest) =>
      new Promise<readonly FetchedPart[]>((answer, fail) => {
        fetches.push({ node, request, answer, fail })
        isThere()
      }),
  } as Partial<KafkaConnection> as KafkaConnection
  const view = new ClusterView({ connection, maxAgeMs: 60_000 })
  await view.load(['t'], 1000)
  const partitions = Array.from({ length: count }, (_, partition) => {
    const place = { topic: 't', partition }
    const one = new AssignedPartition({
      place,
      epoch: 1,
      maxBufferedMessages: 10,
      maxBufferedBytes: 1000,
      maxDistance: 10,
    })
    one.begin(0, '')
    return one
  })
  fetcher = new Fetcher({
    connection,
    view,
    health: new ConsumerHealth(() => undefined),
    maxWaitMs: 500,
    maxBytes: 1000,
    maxBytesPerPartition: 100,
    rack: 'zone-b',
    requestTimeoutMs: 1000,
    partitions: () => partitions,
    fetched: () => undefined,
    outOfRange: () => undefined,
  })
  fetcher.wake()
  const next = async (): Promise<Fetch> => {
    while (fetches.length === 0) await new Promise<void>(resolve => (isThere = resolve))
    return fetches.shift()!
  }
  return { next, partitions }
}

function part(partition: number, more: Partial<FetchedPart> = {}): FetchedPart {
  return { topic: 't', partition, errorCode: 0, end: 0, start: 0, preferredReplica: -1, records: [], next: 0, ...more }
}

it('tells where it is, and reads from the nearer replica that the leader names', async () => {
  const { next } = await scripted(1)
  const first = await next()
  expect([first.node, first.request.rack]).toEqual([1, 'zone-b'])
  first.answer([part(0, { preferredReplica: 2 })])
  const nearer = await next()
  expect(nearer.node).toBe(2)
  nearer.answer([part(0)])
  expect((await next()).node).toBe(2)
})

it.each([
  ['does not have the place', (fetch: Fetch) => fetch.answer([part(0, { errorCode: kafkaError.offsetOutOfRange })])],
  ['is no replica any more', (fetch: Fetch) => fetch.answer([part(0, { errorCode: kafkaError.notLeaderOrFollower })])],
  ['is away', (fetch: Fetch) => fetch.fail(new KafkaRequestError('unsent', 'no connection'))],
])('goes back to the leader when the nearer replica %s', async (_, end) => {
  const { next } = await scripted(1)
  ;(await next()).answer([part(0, { preferredReplica: 2 })])
  end(await next())
  expect((await next()).node).toBe(1)
})

it('asks for each partition by itself when one of them may be what cannot be read, and for all again when it can', async () => {
  const { next, partitions } = await scripted(3)
  const asked = (fetch: Fetch): readonly number[] => fetch.request.parts.map(({ partition }) => partition)
  const all = await next()
  expect(asked(all)).toEqual([0, 1, 2])
  all.fail(new KafkaRequestError('unsupported', 'no such codec'))
  const first = await next()
  expect(asked(first)).toEqual([0])
  first.answer([part(0)])
  const second = await next()
  expect(asked(second)).toEqual([1])
  second.fail(new KafkaRequestError('unsupported', 'no such codec'))
  const third = await next()
  expect(asked(third)).toEqual([2])
  third.answer([part(2)])
  // The one that failed rests, and holds up nobody.
  expect(asked(await next())).toEqual([0, 2])
  expect(partitions.map(({ isSuspect }) => isSuspect)).toEqual([false, true, false])
})

it('suspects a partition only when an answer fails again and again, not when a broker is away', async () => {
  const { next, partitions } = await scripted(2)
  for (let attempt = 0; attempt < 4; attempt++) (await next()).fail(new KafkaRequestError('unsent', 'no connection'))
  expect((await next()).request.parts).toHaveLength(2)
  expect(partitions.some(({ isSuspect }) => isSuspect)).toBe(false)
})
