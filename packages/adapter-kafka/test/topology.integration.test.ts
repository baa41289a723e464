import type { TopologyWish } from '@mekong/core/driver'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KafkaBench, outgoing, unique, untilAsked } from './support/probe.ts'
import { loseOneBeforeItCommits } from './support/rebalance.ts'

let bench: KafkaBench

beforeAll(async () => {
  bench = await KafkaBench.shared()
})

afterAll(() => bench[Symbol.asyncDispose]())

function wish(
  name: string,
  more: Partial<TopologyWish['topics'][number]> = {},
  groups: readonly string[] = [],
): TopologyWish {
  return {
    topics: [{ name, ordered: true, partitions: undefined, retentionMs: undefined, ...more }],
    groups: groups.map(group => ({ name: group, topics: [name] })),
  }
}

describe('the topology', () => {
  it('is made as wished: partitions, replication, retention, compaction and whatever Kafka can be told', async () => {
    const name = unique('made')
    const driver = bench.driver({
      topics: [
        { match: /made-.*/, replication: 1, compacted: true, configuration: { 'min.cleanable.dirty.ratio': '0.2' } },
      ],
    })
    expect(await driver.topology(wish(name, { partitions: 5, retentionMs: 60_000 }), 'create')).toEqual([])
    expect(await driver.topology(wish(name, { partitions: 5, retentionMs: 60_000 }), 'verify')).toEqual([])
    // As somebody who wishes for something else finds it.
    const other = bench.driver({
      topics: [{ match: name, replication: 3, configuration: { 'cleanup.policy': 'delete' } }],
    })
    const difference = await other.topology(wish(name, { partitions: 4, retentionMs: 1000 }), 'verify')
    expect(difference).toEqual([
      { what: `topic ${name}: partitions`, wished: '4', found: '5, and Kafka cannot take partitions away' },
      { what: `topic ${name}: replication`, wished: '3', found: '1' },
      { what: `topic ${name}: retention.ms`, wished: '1000', found: '60000' },
      { what: `topic ${name}: cleanup.policy`, wished: 'delete', found: 'compact' },
    ])
  })

  it('that is there is not changed: partitions that are missing are said, with what they would do to keys', async () => {
    const name = await bench.topic(2)
    const driver = bench.driver()
    const [difference] = await driver.topology(wish(name, { partitions: 6 }), 'create')
    expect(difference).toMatchObject({ what: `topic ${name}: partitions`, wished: '6' })
    expect(difference?.found).toContain('2; not added, because keys would move to other partitions')
  })

  it('that the broker refuses rejects with what it said', async () => {
    const driver = bench.driver({ topics: [{ match: /.*/, replication: 3 }] })
    await expect(driver.topology(wish(unique('refused')), 'create')).rejects.toThrow(/INVALID_REPLICATION_FACTOR/)
  })

  it('is made once by two that begin together', async () => {
    const name = unique('both')
    const group = unique('group')
    const both = [bench.driver(), bench.driver()].map(driver =>
      driver.topology(wish(name, { partitions: 3 }, [group]), 'create'),
    )
    expect(await Promise.all(both)).toEqual([[], []])
  })
})

describe('a declared group', () => {
  it('gets everything from its declaration on, before anybody of it was there', async () => {
    const name = await bench.topic(3)
    const group = unique('group')
    const driver = bench.driver()
    await driver.publish([outgoing(name, 'before', 'a')], 10_000)
    expect(await driver.topology(wish(name, {}, [group]), 'verify')).toEqual([
      { what: `group ${group}`, wished: `takes part in ${name}`, found: 'unknown' },
    ])
    expect(await driver.topology(wish(name, {}, [group]), 'create')).toEqual([])
    await driver.publish([outgoing(name, 'after', 'a')], 10_000)
    // Declared again, it stays where it is.
    expect(await driver.topology(wish(name, {}, [group]), 'create')).toEqual([])
    const probe = await bench.probe(driver, { topics: [name], group, from: 'latest' })
    await probe.untilBodies(['after'])
    expect(probe.bodies).toEqual(['after'])
  })

  it.each([
    ['earliest', () => 'earliest' as const],
    ['a time', () => ({ time: Date.now() - 60_000 })],
  ])('begins where its first member asks for: %s', async (_, from) => {
    const name = await bench.topic(1)
    const group = unique('group')
    const driver = bench.driver()
    await driver.publish([outgoing(name, 'before', 'a')], 10_000)
    await driver.topology(wish(name, {}, [group]), 'create')
    const probe = await bench.probe(driver, { topics: [name], group, from: from() })
    await probe.untilBodies(['before'])
    await probe.consumer.close()
    await driver.publish([outgoing(name, 'after', 'a')], 10_000)
    const next = await bench.probe(driver, { topics: [name], group, from: from() })
    await next.untilBodies(['after'])
    expect(next.bodies).toEqual(['after'])
  })

  it('that works already gets everything of another topic from its declaration on', async () => {
    const one = await bench.topic(1)
    const other = await bench.topic(2)
    const group = unique('group')
    const driver = bench.driver()
    const probe = await bench.probe(driver, { topics: [one], group })
    await probe.untilAssigned(1)
    await driver.publish([outgoing(other, 'before', 'a')], 10_000)
    expect(await driver.topology(wish(other, {}, [group]), 'create')).toEqual([])
    await driver.publish([outgoing(other, 'after', 'a')], 10_000)
    // As the next process of a deployment does, while the first is there still.
    expect(await driver.topology(wish(other, {}, [group]), 'create')).toEqual([])
    expect(await driver.topology(wish(other, {}, [group]), 'verify')).toEqual([])
    const next = await bench.probe(bench.driver(), { topics: [one, other], group, from: 'latest' })
    await next.untilBodies(['after'])
    expect(next.bodies).toEqual(['after'])
    await untilAsked('it is committed', async () => (await bench.committed(group, other, 0)) >= 0)
    expect(probe.revoked).toEqual([])
  })

  it('gets everything from its declaration on when its members died and are not given up yet', async () => {
    const old = await bench.topic(1)
    const name = await bench.topic(3)
    const group = unique('group')
    await loseOneBeforeItCommits(bench.brokers, group, old)
    const driver = bench.driver()
    await driver.topology(wish(name, {}, [group]), 'create')
    const bodies = Array.from({ length: 30 }, (_, index) => `${index}`)
    await driver.publish(
      bodies.map(body => outgoing(name, body, body)),
      10_000,
    )
    const probe = await bench.probe(driver, { topics: [name], group, from: 'latest' })
    await probe.untilBodies(bodies)
    expect(probe.messages).toHaveLength(bodies.length)
  })

  it('loses nothing by a member that dies between its assignment and its first commit', async () => {
    const one = await bench.topic(1)
    const name = await bench.topic(2)
    const group = unique('group')
    const driver = bench.driver()
    const living = await bench.probe(driver, { topics: [one], group })
    await living.untilAssigned(1)
    await driver.topology(wish(name, {}, [group]), 'create')
    await driver.publish([outgoing(name, 'first', 'a')], 10_000)
    await living.consumer.close()
    await loseOneBeforeItCommits(bench.brokers, group, name)
    await driver.publish([outgoing(name, 'second', 'a')], 10_000)
    const next = await bench.probe(driver, { topics: [name], group, from: 'latest' })
    await next.untilBodies(['first', 'second'])
  })

  it('loses nothing while its members come together, before any has committed', async () => {
    const one = await bench.topic(1)
    const name = await bench.topic(6)
    const group = unique('group')
    const driver = bench.driver()
    const living = await bench.probe(driver, { topics: [one], group })
    await living.untilAssigned(1)
    await driver.topology(wish(name, {}, [group]), 'create')
    const bodies = Array.from({ length: 60 }, (_, index) => `${index}`)
    const publishing = driver.publish(
      bodies.map(body => outgoing(name, body, body)),
      10_000,
    )
    const probes = await Promise.all(
      [0, 1, 2].map(() => bench.probe(bench.driver(), { topics: [name], group, from: 'latest' })),
    )
    await publishing
    await untilAsked('all of it came', async () => {
      const seen = new Set(probes.flatMap(({ bodies: some }) => some))
      return bodies.every(body => seen.has(body))
    })
  })

  it('gets partitions that are added before anybody of it came from their beginning', async () => {
    const one = await bench.topic(1)
    const name = await bench.topic(1)
    const group = unique('group')
    const driver = bench.driver()
    const living = await bench.probe(driver, { topics: [one], group })
    await living.untilAssigned(1)
    await driver.topology(wish(name, {}, [group]), 'create')
    await (await bench.admin()).createPartitions({ topicPartitions: [{ topic: name, count: 3 }] })
    const producer = bench.kafkajs.producer()
    await producer.connect()
    await untilAsked('the new partition takes it', async () =>
      producer
        .send({ topic: name, messages: [{ partition: 2, value: 'added' }] })
        .then(() => true)
        .catch(() => false),
    )
    await producer.disconnect()
    const next = await bench.probe(bench.driver(), { topics: [name], group, from: 'latest' })
    await next.untilBodies(['added'])
  })
})

describe('a group that nobody declared', () => {
  it('begins where its first member subscribed, not where that came to its partitions', async () => {
    const name = await bench.topic(3)
    const group = unique('group')
    const driver = bench.driver()
    await driver.publish([outgoing(name, 'before', 'a')], 10_000)
    const probe = await bench.probe(driver, { topics: [name], group, from: 'latest' })
    await driver.publish([outgoing(name, 'after', 'a')], 10_000)
    await probe.untilBodies(['after'])
    const added = await bench.topic(1)
    await probe.consumer.extend([{ topic: added, ordered: true }])
    await driver.publish([outgoing(added, 'extended', 'a')], 10_000)
    await probe.untilBodies(['after', 'extended'])
    expect(probe.bodies).toEqual(['after', 'extended'])
  })

  it('misses nothing of a topic that is made after it subscribed', async () => {
    const name = unique('later')
    const driver = bench.driver()
    const probe = await bench.probe(driver, { topics: [name], from: 'latest' })
    await bench.createTopic(name, 2)
    await driver.publish([outgoing(name, 'first', 'a')], 10_000)
    await probe.untilBodies(['first'])
  })
})
