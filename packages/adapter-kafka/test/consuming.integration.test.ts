import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KafkaBench, outgoing, type Probe, unique, untilAsked } from './support/probe.ts'
import { loseMembers } from './support/rebalance.ts'

let bench: KafkaBench

beforeAll(async () => {
  bench = await KafkaBench.shared()
})

afterAll(() => bench[Symbol.asyncDispose]())

async function lagOf(probe: Probe): Promise<number> {
  return [...(await probe.consumer.lag()).values()].reduce((sum, { messages }) => sum + messages, 0)
}

async function publish(topic: string, bodies: readonly string[], key?: string): Promise<void> {
  const driver = bench.driver()
  const fates = await driver.publish(
    bodies.map(body => outgoing(topic, body, key)),
    10_000,
  )
  expect(fates.map(({ is }) => is)).toEqual(bodies.map(() => 'stored'))
}

describe('where a group stands', () => {
  it('moves over what is no message: aborted transactions and the marks of transactions', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    const producer = bench.kafkajs.producer({
      transactionalId: unique('transaction'),
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    for (const value of ['aborted', 'committed']) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ key: 'a', value }] })
      await (value === 'committed' ? transaction.commit() : transaction.abort())
    }
    await producer.disconnect()
    const probe = await bench.probe(bench.driver(), { topics: [topic], group })
    await probe.untilBodies(['committed'])
    expect(probe.bodies).toEqual(['committed'])
    // Four records: two messages and two marks.
    await untilAsked('all four are behind it', async () => (await bench.committed(group, topic)) === 4)
    expect(await lagOf(probe)).toBe(0)
  })

  it('is the first message that is not settled, whatever is settled behind it', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    await publish(topic, ['a', 'b', 'c', 'd'])
    const probe = await bench.probe(bench.driver(), { topics: [topic], group, settles: false })
    await probe.untilBodies(['a', 'b', 'c', 'd'])
    const [a, b, c, d] = probe.messages
    probe.settle([a!, c!, d!])
    await untilAsked('the first is committed', async () => (await bench.committed(group, topic)) === 1)
    expect(await lagOf(probe)).toBe(3)
    probe.settle([b!])
    await untilAsked('all are committed', async () => (await bench.committed(group, topic)) === 4)
  })

  it('does not go back for what its old owner settles late', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    await publish(topic, ['a', 'b'])
    const first = await bench.probe(bench.driver(), { topics: [topic], group, settles: false })
    await first.untilBodies(['a', 'b'])
    await loseMembers(bench.brokers, topic)
    await first.until('it comes again', ({ messages }) => messages.length === 4)
    expect(first.revoked.map(({ how }) => how)).toEqual(['lost'])
    const [oldA, oldB, newA, newB] = first.messages
    first.settle([newA!, newB!])
    await untilAsked('both are committed', async () => (await bench.committed(group, topic)) === 2)
    first.settle([oldA!, oldB!])
    await publish(topic, ['c'])
    await first.untilBodies(['c'])
    expect(await bench.committed(group, topic)).toBe(2)
  })

  it('at the end is remembered when it begins there, so that a crash before the first event misses nothing', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    await publish(topic, ['before'])
    const first = await bench.probe(bench.driver(), { topics: [topic], group, from: 'latest' })
    await first.untilAssigned(1)
    await first.consumer.close()
    await publish(topic, ['between'])
    const second = await bench.probe(bench.driver(), { topics: [topic], group, from: 'latest' })
    await second.untilBodies(['between'])
    expect(second.bodies).toEqual(['between'])
  })

  it('may be moved to a position and to a time; what was in hand is lost', async () => {
    const topic = await bench.topic()
    await publish(topic, ['a'])
    await publish(topic, ['b'])
    const probe = await bench.probe(bench.driver(), { topics: [topic], settles: false })
    await probe.untilBodies(['a', 'b'])
    const [partition] = probe.assigned
    const { timestamp } = (probe.messages[1] as unknown as { record: { timestamp: number } }).record
    await probe.consumer.seek(partition!, { time: timestamp })
    await probe.until('the second comes again', ({ messages }) => messages.length >= 3)
    await probe.consumer.seek(partition!, { position: '0' })
    await probe.until('both come again', ({ bodies }) => bodies.filter(body => body === 'a').length === 2)
    expect(probe.lost.length).toBeGreaterThanOrEqual(3)
    await expect(probe.consumer.seek(partition!, { position: 'first' })).rejects.toThrow('OFFSET_OUT_OF_RANGE')
  })
})

describe('topics that change', () => {
  it('are waited for when they do not exist yet, and this is said', async () => {
    const there = await bench.topic()
    const later = unique('later')
    const probe = await bench.probe(bench.driver(), { topics: [there, later] })
    await publish(there, ['a'])
    await probe.untilBodies(['a'])
    await probe.until('it is said', ({ status }) => status?.is === 'degraded' && String(status.error).includes(later))
    await bench.createTopic(later, 2)
    await probe.untilAssigned(3)
    await publish(later, ['b'])
    await probe.untilBodies(['b'])
    await probe.until('all is well', ({ status }) => status?.is === 'running')
  })

  it('may be deleted: the others go on, and the consumer neither dies nor loops', async () => {
    const stays = await bench.topic()
    const goes = await bench.topic()
    const probe = await bench.probe(bench.driver(), { topics: [stays, goes] })
    await probe.untilAssigned(2)
    await (await bench.admin()).deleteTopics({ topics: [goes] })
    await probe.until('its partition is revoked', ({ revoked }) =>
      revoked.some(({ partition }) => partition.topic === goes),
    )
    await probe.until('it is said', ({ status }) => status?.is === 'degraded' && String(status.error).includes(goes))
    const before = probe.statuses.length
    await publish(stays, ['a'])
    await probe.untilBodies(['a'])
    expect(probe.statuses.length - before).toBeLessThan(3)
    expect(probe.statuses.some(({ is }) => is === 'fatal')).toBe(false)
  })

  it('may get more partitions: what is in them is missed by nobody, wherever the group began', async () => {
    const topic = await bench.topic()
    const group = unique('group')
    const options = { metadataMaxAgeMs: 300 }
    const probe = await bench.probe(bench.driver(options), { topics: [topic], group, from: 'latest' })
    await probe.untilAssigned(1)
    await (await bench.admin()).createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    const producer = bench.kafkajs.producer()
    await producer.connect()
    // Before anybody of the group can have noticed.
    await untilAsked('the new partition takes it', async () =>
      producer
        .send({ topic, messages: [{ partition: 3, value: 'first' }] })
        .then(() => true)
        .catch(() => false),
    )
    await producer.disconnect()
    await probe.untilAssigned(4)
    await probe.untilBodies(['first'])
  })
})

describe('what is no longer kept', () => {
  async function trimmed(): Promise<{ topic: string; group: string }> {
    const topic = await bench.topic()
    const group = unique('group')
    await publish(topic, ['a', 'b', 'c'])
    const first = await bench.probe(bench.driver(), { topics: [topic], group, settles: false })
    await first.untilBodies(['a'])
    first.settle([first.messages[0]!])
    await first.consumer.close()
    const admin = await bench.admin()
    // Without knowing the topic kafkajs finds no broker for it.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
    return { topic, group }
  }

  it('stops its partition and says what is missing, and no other partition', async () => {
    const { topic, group } = await trimmed()
    const other = await bench.topic()
    await publish(other, ['x'])
    const probe = await bench.probe(bench.driver(), { topics: [topic, other], group })
    await probe.until('it is fatal', ({ status }) => status?.is === 'fatal')
    const status = probe.statuses.find(({ is }) => is === 'fatal')
    expect(status).toMatchObject({ error: { message: expect.stringContaining('the group is at 1, kept are 2 to 3') } })
    await probe.untilBodies(['x'])
    expect(probe.bodies).toEqual(['x'])
    expect([...(await probe.consumer.lag()).keys()].map(one => one.topic)).toEqual([other])
  })

  it.each([
    ['earliest', ['c', 'd']],
    ['latest', ['d']],
  ] as const)('is skipped where that is wished, aloud: %s', async (outOfRange, expected) => {
    const { topic, group } = await trimmed()
    const probe = await bench.probe(bench.driver({ consume: { outOfRange } }), { topics: [topic], group })
    await probe.until('it is said', ({ statuses }) => statuses.some(({ is }) => is === 'degraded'))
    await publish(topic, ['d'])
    await probe.untilBodies(['d'])
    expect(probe.bodies).toEqual(expected)
  })
})

describe('back-pressure', () => {
  it('of one partition holds up no other, for as long as it lasts', async () => {
    const slow = await bench.topic()
    const quick = await bench.topic()
    const probe = await bench.probe(bench.driver(), { topics: [slow, quick], window: 10 })
    await probe.untilAssigned(2)
    for (const partition of probe.assigned) if (partition.topic === slow) probe.consumer.pause(partition)
    const large = 'x'.repeat(2000)
    await publish(
      slow,
      Array.from({ length: 200 }, (_, index) => `${large}${index}`),
    )
    const bodies = Array.from({ length: 100 }, (_, index) => `quick-${index}`)
    await publish(quick, bodies)
    await probe.untilBodies(bodies)
    expect(probe.messages.every(message => message.partition.topic === quick)).toBe(true)
    for (const partition of probe.assigned) probe.consumer.resume(partition)
    await probe.until('all of it came', ({ messages }) => messages.length === 300)
    expect(probe.largest).toBeLessThanOrEqual(20)
  })

  it('keeps handing over from running away from the first message that is not settled', async () => {
    const topic = await bench.topic()
    const first: Probe['messages'] = []
    const probe = await bench.probe(bench.driver({ consume: { maxDistance: 20 } }), {
      topics: [topic],
      window: 5,
      settles: false,
      onMessages: batch => {
        if (first.length === 0) first.push(batch[0]!)
        queueMicrotask(() => probe.settle(batch.filter(message => message !== first[0])))
      },
    })
    await probe.untilAssigned(1)
    await publish(
      topic,
      Array.from({ length: 100 }, (_, index) => `${index}`),
    )
    await probe.until('it came to a stop', ({ messages }) => messages.length >= 20)
    // What could run on would have done so by the time that another group has all of it.
    const other = await bench.probe(bench.driver(), { topics: [topic] })
    await other.until('all of it came', ({ messages }) => messages.length === 100)
    expect(probe.messages.length).toBe(20)
    probe.settle(first)
    await probe.until('it goes on', ({ messages }) => messages.length === 100)
  })
})
