import { createEventBus, type Handler, type StandardSchema } from '@mekong/core'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Compression } from '../src/index.ts'
import { KafkaBench, outgoing, unique } from './support/probe.ts'

let bench: KafkaBench

beforeAll(async () => {
  bench = await KafkaBench.shared()
})

afterAll(() => bench[Symbol.asyncDispose]())

const anything: StandardSchema<unknown, unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: value => ({ value }) },
}

const ids = (count: number, prefix = 'k'): readonly string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n}`)

describe('a publish', () => {
  it('puts each key where kafkajs, and so Java, puts it', async () => {
    const topic = await bench.topic(7)
    const keys = [...ids(60), 'größe', '日本', ' ']
    const producer = bench.kafkajs.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    await producer.send({ topic, messages: keys.map(key => ({ key, value: key })) })
    await producer.disconnect()
    const driver = bench.driver()
    await driver.publish(
      keys.map(key => outgoing(topic, key, key)),
      10_000,
    )
    const probe = await bench.probe(driver, { topics: [topic] })
    await probe.until('both of each came', ({ messages }) => messages.length === 2 * keys.length)
    for (const key of keys) {
      const places = probe.messages.filter(message => message.key === key).map(({ partition }) => partition.id)
      expect(places).toEqual([places[0], places[0]])
      expect(driver.partitionOf(outgoing(topic, key, key))).toBe(`${topic}/${places[0]}`)
    }
  })

  it('spreads events without a key over the partitions, a batch to one of them', async () => {
    const topic = await bench.topic(4)
    const driver = bench.driver()
    const large = 'x'.repeat(70_000)
    for (let batch = 0; batch < 12; batch++) {
      const fates = await driver.publish([outgoing(topic, large), outgoing(topic, 'small')], 10_000)
      expect(fates.map(({ is }) => is)).toEqual(['stored', 'stored'])
    }
    const probe = await bench.probe(driver, { topics: [topic] })
    await probe.until('all came', ({ messages }) => messages.length === 24)
    expect(new Set(probe.messages.map(({ partition }) => partition.id)).size).toBeGreaterThan(1)
  })

  it('keeps the order of a key within a batch, and sends several topics together', async () => {
    const topics = [await bench.topic(3), await bench.topic(3)]
    const driver = bench.driver()
    const batch = ids(90).map((body, n) => outgoing(topics[n % 2]!, body, `key-${n % 6}`))
    expect((await driver.publish(batch, 10_000)).every(({ is }) => is === 'stored')).toBe(true)
    const probe = await bench.probe(driver, { topics })
    await probe.untilBodies(batch.map(({ body }) => Buffer.from(body).toString()))
    for (let key = 0; key < 6; key++) {
      const numbers = probe.messages
        .filter(message => message.key === `key-${key}`)
        .map(({ body }) => Number(Buffer.from(body).toString().slice(2)))
      expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    }
  })

  it('of what is too large for its topic is not stored, and its neighbours of other publishes are', async () => {
    const topic = await bench.topic(1, { 'max.message.bytes': '20000' })
    const driver = bench.driver()
    const large = 'x'.repeat(30_000)
    // At once: the queue of the leader sends them together, and only one of them is at fault.
    const [[first], [second], [third]] = await Promise.all([
      driver.publish([outgoing(topic, 'a', 'a')], 10_000),
      driver.publish([outgoing(topic, large, 'b')], 10_000),
      driver.publish([outgoing(topic, 'c', 'c')], 10_000),
    ])
    expect([first?.is, second?.is, third?.is]).toEqual(['stored', 'not-stored', 'stored'])
    expect(second?.is === 'not-stored' && driver.classify(second.error)).toBe('too-large')
  })

  it('to a topic that does not exist is refused, after a while in which it might appear', async () => {
    const driver = bench.driver()
    const [fate] = await driver.publish([outgoing(unique('missing'), 'a', 'a')], 500)
    expect(fate?.is).toBe('not-stored')
    expect(fate?.is === 'not-stored' && driver.classify(fate.error)).toBe('refused')
    const late = unique('late')
    const publishing = driver.publish([outgoing(late, 'a', 'a')], 10_000)
    await bench.createTopic(late)
    const [stored] = await publishing
    expect(stored?.is).toBe('stored')
  })

  it.each<Compression>(['gzip', 'snappy', 'lz4', 'zstd'])('may be compressed by %s', async compression => {
    const topic = await bench.topic(1)
    const driver = bench.driver({ compression })
    const body = 'abc '.repeat(2000)
    expect((await driver.publish([outgoing(topic, body, 'a')], 10_000)).map(({ is }) => is)).toEqual(['stored'])
    const probe = await bench.probe(bench.driver(), { topics: [topic] })
    await probe.untilBodies([body])
  })
})

describe('events of other programs', () => {
  it('are read as they are: plain JSON without headers, CloudEvents in either mode, a tombstone', async () => {
    const topic = await bench.topic(1)
    const producer = bench.kafkajs.producer()
    await producer.connect()
    const structured = {
      specversion: '1.0',
      id: 's-1',
      source: 'java',
      type: 'order.created',
      data: { n: 2 },
    }
    await producer.send({
      topic,
      messages: [
        { key: 'a', value: '{"n":1}' },
        { key: 'a', value: JSON.stringify(structured), headers: { 'content-type': 'application/cloudevents+json' } },
        {
          key: 'a',
          value: '{"n":3}',
          headers: {
            ce_specversion: '1.0',
            ce_id: 'b-1',
            ce_source: 'java',
            ce_type: 'order.created',
            CE_Region: 'eu',
          },
        },
        { key: 'a', value: null },
      ],
    })
    await producer.disconnect()
    const seen: { type: string; data: unknown; id: string; source: string; key: string | undefined }[] = []
    const bus = await createEventBus({
      service: unique('reader'),
      contract: { [topic]: { schema: anything }, 'order.created': { schema: anything, topic } },
      broker: bench.driver(),
      topology: 'create',
      from: 'earliest',
    })
    bench.onClose(() => bus.close())
    const { promise, resolve } = Promise.withResolvers<void>()
    const note: Handler = async (data, { type, id, source, key }) => {
      seen.push({ type, data, id, source, key })
      if (seen.length === 4) resolve()
    }
    bus.subscribe({ [topic]: note, 'order.created': note })
    await bus.start()
    await promise
    expect(seen).toEqual([
      { type: topic, data: { n: 1 }, id: `${topic}/0/0`, source: '', key: 'a' },
      { type: 'order.created', data: { n: 2 }, id: 's-1', source: 'java', key: 'a' },
      { type: 'order.created', data: { n: 3 }, id: 'b-1', source: 'java', key: 'a' },
      { type: topic, data: undefined, id: `${topic}/0/3`, source: '', key: 'a' },
    ])
  })
})
