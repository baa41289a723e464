import type { Fate, Outgoing } from '@mekong/core/driver'
import { describe, expect, it, vi } from 'vitest'
import type {
  ClusterMetadata,
  KafkaConnection,
  KafkaNode,
  PartAnswer,
  ProduceRequest,
} from '../src/client/kafka-client.ts'
import { kafkaError, KafkaRequestError } from '../src/client/kafka-error.ts'
import { ClusterView } from '../src/cluster-view.ts'
import { partitionOfKey } from '../src/kafka-partitioner.ts'
import { Publisher } from '../src/kafka-publisher.ts'

const PATIENT_MS = 60_000
const PARTITIONS = 2
/** Keys by the partition that they belong to. */
const [even, odd] = [keyOf(0), keyOf(1)]

interface Sent {
  readonly node: number
  /** `partition:bodies` of each part. */
  readonly parts: readonly string[]
  /** One error code for all parts, or one for each. */
  answer(...errorCodes: readonly number[]): Promise<void>
  fail(failure: 'unsent' | 'unanswered'): Promise<void>
}

/** A cluster that answers metadata at once, and what is published when the test says so. */
class ScriptedCluster {
  /** The leader of each partition. */
  leaders: readonly number[] = [1, 1]
  readonly sent: Sent[] = []
  readonly looks = vi.fn<() => void>()
  readonly publisher: Publisher
  #isThere: Promise<void> | undefined

  constructor({ maxBatchBytes = 1_000_000 }: { readonly maxBatchBytes?: number } = {}) {
    const connection = {
      metadata: async () => {
        await this.#isThere
        return this.#metadata()
      },
      produce: (node: KafkaNode, request: ProduceRequest) => this.#produce(node, request),
    } as unknown as KafkaConnection
    const view = new ClusterView({ connection, maxAgeMs: PATIENT_MS })
    const maxRequestBytes = 8 * maxBatchBytes
    this.publisher = new Publisher({ connection, view, compression: 'none', maxBatchBytes, maxRequestBytes })
  }

  /** Nobody answers who leads, until the function that comes back is called. */
  goAway(): () => void {
    let comeBack = (): void => undefined
    this.#isThere = new Promise(resolve => {
      comeBack = resolve
    })
    return comeBack
  }

  /** What became of each, when that is known. */
  async publish(events: readonly string[], timeoutMs: number = PATIENT_MS): Promise<readonly Fate['is'][]> {
    const fates = await this.publisher.publish(events.map(toOutgoing), timeoutMs)
    return fates.map(({ is }) => is)
  }

  /** The request with this number, from 1. */
  async request(number: number): Promise<Sent> {
    await vi.waitUntil(() => this.sent.length >= number, { interval: 1 })
    return this.sent[number - 1]!
  }

  #metadata(): ClusterMetadata {
    this.looks()
    const nodes = new Map([1, 2].map(id => [id, { id, host: `broker-${id}`, port: 9092 }]))
    const partitions = this.leaders.map((leader, id) => ({ id, leader, replicas: 2 }))
    return {
      controller: nodes.get(1),
      nodes,
      topics: new Map([['orders', { errorCode: kafkaError.none, partitions }]]),
    }
  }

  #produce({ id: node }: KafkaNode, { parts }: ProduceRequest): Promise<readonly PartAnswer[]> {
    return new Promise((resolve, reject) => {
      this.sent.push({
        node,
        parts: parts.map(
          ({ partition, records }) => `${partition}:${records.map(({ value }) => textOf(value)).join()}`,
        ),
        answer: async (...errorCodes) => {
          resolve(parts.map((_, index) => ({ errorCode: errorCodes[index] ?? errorCodes[0]! })))
          await settled()
        },
        fail: async failure => {
          reject(new KafkaRequestError(failure, 'Produce'))
          await settled()
        },
      })
    })
  }
}

describe('what is published for one leader', () => {
  it('is on its way in one request at a time; what comes meanwhile goes together with the next, in order', async () => {
    const cluster = new ScriptedCluster()
    const first = cluster.publish([`${even} a`])
    const request = await cluster.request(1)
    const others = [cluster.publish([`${even} b`, `${odd} c`]), cluster.publish([`${even} d`])]
    await settled()
    expect(cluster.sent).toHaveLength(1)
    await request.answer(kafkaError.none)
    expect(await first).toEqual(['stored'])
    expect((await cluster.request(2)).parts).toEqual(['0:b,d', '1:c'])
    await cluster.sent[1]!.answer(kafkaError.none)
    expect(await Promise.all(others)).toEqual([['stored', 'stored'], ['stored']])
  })

  it('waits for nobody at another leader', async () => {
    const cluster = new ScriptedCluster()
    cluster.leaders = [1, 2]
    const fates = cluster.publish([`${even} a`, `${odd} b`])
    await cluster.request(2)
    expect(cluster.sent.map(({ node, parts }) => [node, ...parts])).toEqual([
      [1, '0:a'],
      [2, '1:b'],
    ])
    await cluster.sent[1]!.answer(kafkaError.none)
    await cluster.sent[0]!.answer(kafkaError.none)
    expect(await fates).toEqual(['stored', 'stored'])
  })

  it('does not overtake what has no room in the same batch', async () => {
    const cluster = new ScriptedCluster({ maxBatchBytes: 700 })
    const first = cluster.publish([`${odd} first`])
    const request = await cluster.request(1)
    const large = 'x'.repeat(400)
    const others = [`${even} a${large}`, `${even} b${large}`, `${even} c`].map(event => cluster.publish([event]))
    await request.answer(kafkaError.none)
    await first
    for (const [index, bodies] of [`0:a${large}`, `0:b${large},c`].entries()) {
      const next = await cluster.request(index + 2)
      expect(next.parts).toEqual([bodies])
      await next.answer(kafkaError.none)
    }
    expect(await Promise.all(others)).toEqual([['stored'], ['stored'], ['stored']])
  })
})

describe('an answer to a part of a request', () => {
  // A leader that is deposed in the middle of a batch may have appended what it answers so.
  it('counts for that partition alone, and a deposed leader is looked for again', async () => {
    const cluster = new ScriptedCluster()
    const fates = cluster.publish([`${even} a`, `${odd} b`])
    const request = await cluster.request(1)
    cluster.leaders = [2, 1]
    await request.answer(kafkaError.notLeaderOrFollower, kafkaError.none)
    expect(await fates).toEqual(['unknown', 'stored'])
    expect(cluster.looks).toHaveBeenCalledTimes(1)
    const again = cluster.publish([`${even} a`])
    expect(await cluster.request(2)).toMatchObject({ node: 2, parts: ['0:a'] })
    expect(cluster.looks).toHaveBeenCalledTimes(2)
    await cluster.sent[1]!.answer(kafkaError.none)
    expect(await again).toEqual(['stored'])
  })

  it('that refuses several publishes in one batch is not theirs: each is sent alone, and hears its own', async () => {
    const cluster = new ScriptedCluster()
    const first = cluster.publish([`${odd} first`])
    const request = await cluster.request(1)
    const others = [cluster.publish([`${even} a`]), cluster.publish([`${even} b`])]
    await request.answer(kafkaError.none)
    await first
    expect((await cluster.request(2)).parts).toEqual(['0:a,b'])
    const later = cluster.publish([`${even} c`])
    await cluster.sent[1]!.answer(kafkaError.messageTooLarge)
    const answers = [kafkaError.messageTooLarge, kafkaError.none, kafkaError.none]
    for (const [index, part] of ['0:a', '0:b', '0:c'].entries()) {
      const next = await cluster.request(index + 3)
      expect(next.parts).toEqual([part])
      await next.answer(answers[index]!)
    }
    expect(await Promise.all([...others, later])).toEqual([['not-stored'], ['stored'], ['stored']])
  })

  it('that comes of the state of the cluster is the same for all: nothing is sent again one by one', async () => {
    const cluster = new ScriptedCluster()
    const first = cluster.publish([`${odd} first`])
    const request = await cluster.request(1)
    const others = [cluster.publish([`${even} a`]), cluster.publish([`${even} b`])]
    await request.answer(kafkaError.none)
    await first
    await (await cluster.request(2)).answer(kafkaError.notEnoughReplicas)
    expect(await Promise.all(others)).toEqual([['not-stored'], ['not-stored']])
    expect(cluster.sent).toHaveLength(2)
  })

  it('that refuses a batch after a publish of it was given up does not bring that one back', async () => {
    const cluster = new ScriptedCluster()
    const first = cluster.publish([`${odd} first`])
    const request = await cluster.request(1)
    const hasty = cluster.publish([`${even} a`], 30)
    const patient = cluster.publish([`${even} b`])
    await request.answer(kafkaError.none)
    await first
    expect((await cluster.request(2)).parts).toEqual(['0:a,b'])
    expect(await hasty).toEqual(['unknown'])
    await cluster.sent[1]!.answer(kafkaError.invalidRecord)
    expect((await cluster.request(3)).parts).toEqual(['0:b'])
    await cluster.sent[2]!.answer(kafkaError.none)
    expect(await patient).toEqual(['stored'])
    expect(cluster.sent).toHaveLength(3)
  })
})

describe('a request without an answer', () => {
  it('leaves the fate of all of it unknown, and the leaders are looked for again', async () => {
    const cluster = new ScriptedCluster()
    const fates = cluster.publish([`${even} a`, `${odd} b`])
    await (await cluster.request(1)).fail('unanswered')
    expect(await fates).toEqual(['unknown', 'unknown'])
    cluster.leaders = [2, 2]
    const again = cluster.publish([`${even} a`])
    expect((await cluster.request(2)).node).toBe(2)
    await cluster.sent[1]!.answer(kafkaError.none)
    expect(await again).toEqual(['stored'])
  })

  it('is not stored when it surely never left', async () => {
    const cluster = new ScriptedCluster()
    const fates = cluster.publish([`${even} a`])
    await (await cluster.request(1)).fail('unsent')
    expect(await fates).toEqual(['not-stored'])
  })

  it('is waited for by what comes behind it, also when who published it waits no longer', async () => {
    const cluster = new ScriptedCluster()
    expect(await Promise.all([cluster.publish([`${even} a`], 20), cluster.request(1)])).toMatchObject([['unknown'], {}])
    const next = cluster.publish([`${even} a`])
    await settled()
    expect(cluster.sent).toHaveLength(1)
    await cluster.sent[0]!.answer(kafkaError.none)
    expect((await cluster.request(2)).parts).toEqual(['0:a'])
    await cluster.sent[1]!.answer(kafkaError.none)
    expect(await next).toEqual(['stored'])
  })

  it('is not made at all for what was not told in time who leads, also when somebody more patient asked', async () => {
    const cluster = new ScriptedCluster()
    const comeBack = cluster.goAway()
    const patient = cluster.publish([`${even} a`])
    expect(await cluster.publish([`${even} b`], 20)).toEqual(['not-stored'])
    comeBack()
    expect((await cluster.request(1)).parts).toEqual(['0:a'])
    await cluster.sent[0]!.answer(kafkaError.none)
    expect(await patient).toEqual(['stored'])
    expect(cluster.sent).toHaveLength(1)
  })

  it('keeps what could not be sent in time from being sent at all', async () => {
    const cluster = new ScriptedCluster()
    const first = cluster.publish([`${even} a`])
    const request = await cluster.request(1)
    expect(await cluster.publish([`${even} b`], 20)).toEqual(['not-stored'])
    await request.answer(kafkaError.none)
    await first
    expect(cluster.sent).toHaveLength(1)
  })
})

it('answers at once when it is closed: what was sent is unknown, what was not is never sent', async () => {
  const cluster = new ScriptedCluster()
  const sent = cluster.publish([`${even} a`])
  const request = await cluster.request(1)
  const waiting = cluster.publish([`${even} b`, `${odd} c`])
  await settled()
  cluster.publisher.close()
  expect(await sent).toEqual(['unknown'])
  expect(await waiting).toEqual(['not-stored', 'not-stored'])
  expect(await cluster.publish([`${even} d`])).toEqual(['not-stored'])
  await request.answer(kafkaError.none)
  expect(cluster.sent).toHaveLength(1)
})

it('sends nothing to a partition without a leader, and the others all the same', async () => {
  const cluster = new ScriptedCluster()
  cluster.leaders = [-1, 2]
  const fates = cluster.publish([`${even} a`, `${odd} b`])
  await (await cluster.request(1)).answer(kafkaError.none)
  expect(await fates).toEqual(['not-stored', 'stored'])
  cluster.leaders = [1, 2]
  const again = cluster.publish([`${even} a`])
  await (await cluster.request(2)).answer(kafkaError.none)
  expect(await again).toEqual(['stored'])
})

/** @param event `key body` */
function toOutgoing(event: string): Outgoing {
  const [key, body] = event.split(' ')
  return { topic: 'orders', key, headers: {}, body: new TextEncoder().encode(body), delayMs: 0, until: 'stored' }
}

function keyOf(partition: number): string {
  for (let number = 0; ; number++) {
    const key = `key-${number}`
    if (partitionOfKey(Buffer.from(key), PARTITIONS) === partition) return key
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Whatever is ready to happen has happened. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
