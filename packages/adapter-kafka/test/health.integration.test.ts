import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KafkaClient } from '../src/client/kafka-client.ts'
import { resolveKafkaOptions } from '../src/kafka-driver-options.ts'
import { subscribeToKafka } from '../src/kafka-subscription.ts'
import { createKafkajsClient } from '../src/kafkajs/kafkajs-client.ts'
import { KafkaBench, outgoing, unique, untilAsked } from './support/probe.ts'
import { loseOneBeforeItCommits } from './support/rebalance.ts'

let bench: KafkaBench

beforeAll(async () => {
  bench = await KafkaBench.shared()
})

afterAll(() => bench[Symbol.asyncDispose]())

const warnings: string[] = []
process.on('warning', ({ name }) => warnings.push(name))

async function publish(topic: string, body: string, compression: 'none' | 'lz4' = 'none'): Promise<void> {
  const [fate] = await bench.driver({ compression }).publish([outgoing(topic, body, 'a')], 10_000)
  expect(fate?.is).toBe('stored')
}

describe('a consumer that cannot go on', () => {
  it('says that it waits for members that died, and that all is well only when it is in its group', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    await loseOneBeforeItCommits(bench.brokers, group, topic, 3000)
    const probe = await bench.probe(bench.driver(), { topics: [topic], group })
    await probe.until('it has its partition', ({ assigned }) => assigned.size === 1)
    expect(probe.statuses.map(({ is }) => is)).toEqual(['reconnecting', 'running'])
    expect(probe.statuses[0]).toMatchObject({ error: { message: expect.stringContaining('waits for its other') } })
  })

  it('for a batch that it cannot read stops at its partition alone, says so, and goes on when it can', async () => {
    const readable = await bench.topic()
    const unreadable = await bench.topic()
    await publish(unreadable, 'b', 'lz4')
    await publish(readable, 'a')
    const { CompressionCodecs, CompressionTypes } = kafkajs
    const codec = CompressionCodecs[CompressionTypes.LZ4] as () => unknown
    try {
      const { KafkaJSNotImplemented } = kafkajs as unknown as { KafkaJSNotImplemented: new (text: string) => Error }
      CompressionCodecs[CompressionTypes.LZ4] = () => {
        throw new KafkaJSNotImplemented('no lz4')
      }
      const probe = await bench.probe(bench.driver(), { topics: [readable, unreadable] })
      await probe.untilBodies(['a'])
      await probe.until('it is said', ({ status }) => status?.is === 'fatal')
      await publish(readable, 'c')
      await probe.untilBodies(['a', 'c'])
      CompressionCodecs[CompressionTypes.LZ4] = codec
      await probe.untilBodies(['a', 'b', 'c'])
      await probe.until('all is well', ({ status }) => status?.is === 'running')
    } finally {
      CompressionCodecs[CompressionTypes.LZ4] = codec
    }
  })

  it('because the bus could not take its partition offers it again', async () => {
    const topic = await bench.topic()
    await publish(topic, 'a')
    let refusals = 0
    const probe = await bench.probe(bench.driver(), {
      topics: [topic],
      onAssigned: async () => {
        if (refusals++ < 2) throw new Error('the store is away')
      },
    })
    await probe.untilBodies(['a'])
    expect(refusals).toBe(3)
    expect(probe.statuses).toContainEqual({ is: 'degraded', error: new Error('the store is away') })
    await probe.until('all is well', ({ status }) => status?.is === 'running')
  })

  it('because its client answers no fetch shows its lag to the watchdog of the bus, and can be closed', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    await publish(topic, 'a')
    const { connection, consume } = resolveKafkaOptions({ brokers: bench.brokers })
    const seconds = { ...consume, heartbeatIntervalMs: 100 }
    const subscribe = { group, member: 'm', topics: [{ topic, ordered: true }], window: 10, from: 'earliest' as const }
    const { promise: isAssigned, resolve } = Promise.withResolvers<void>()
    const consumer = await subscribeToKafka({
      client: deafTo(createKafkajsClient(connection)),
      subscribe,
      tuning: seconds,
      onClose: () => undefined,
      sink: {
        assigned: async () => resolve(),
        revoked: async () => undefined,
        messages: () => expect.unreachable('it is deaf'),
        lost: () => undefined,
        status: () => undefined,
      },
    })
    await isAssigned
    await untilAsked('it has lag', async () => hasLag(await consumer.lag()))
    await consumer.close()
    // The bus builds a new one, which is not held up by the old.
    const probe = await bench.probe(bench.driver(), { topics: [topic], group })
    await probe.untilBodies(['a'])
  })
})

it('nothing of all this made kafkajs set a timer back in time', () => {
  expect(warnings).not.toContain('TimeoutNegativeWarning')
})

function hasLag(lags: ReadonlyMap<unknown, { readonly messages: number }>): boolean {
  return [...lags.values()].some(({ messages }) => messages === 1)
}

/** A client that dies silently: no fetch of it is ever answered, nor rejected. */
function deafTo(client: KafkaClient): KafkaClient {
  return {
    ...client,
    connect: () => {
      const connection = client.connect()
      connection.fetch = () => new Promise(() => undefined)
      return connection
    },
  }
}
