import type { TopologyWish } from '@mekong/core/driver'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KafkaBench, outgoing, unique } from './support/probe.ts'

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

  it('that works already may take part in another topic', async () => {
    const one = await bench.topic(1)
    const other = await bench.topic(1)
    const group = unique('group')
    const driver = bench.driver()
    const probe = await bench.probe(driver, { topics: [one], group })
    await probe.untilAssigned(1)
    expect(await driver.topology(wish(other, {}, [group]), 'create')).toEqual([])
    const next = await bench.probe(bench.driver(), { topics: [one, other], group, from: 'latest' })
    await next.until('it has the new topic', ({ assigned }) => [...assigned].some(({ topic }) => topic === other))
    await driver.publish([outgoing(other, 'a', 'a')], 10_000)
    await next.untilBodies(['a'])
  })
})
