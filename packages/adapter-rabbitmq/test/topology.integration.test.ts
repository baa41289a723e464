import { sharedRabbitMq } from '@mekong/stack'
import type { Driver, TopologyDifference, TopologyWish } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { orderedQueueName, streamName, unorderedQueueName } from '../src/broker-names.ts'
import { declare, openBroker, openDriver } from './probe.ts'
import { uniqueTopic } from './rabbitmq-harness.ts'

const { url } = await sharedRabbitMq()

const wishOf = (topic: string, more: Partial<TopologyWish['topics'][number]> = {}): TopologyWish => ({
  topics: [{ name: topic, ordered: false, partitions: undefined, retentionMs: undefined, ...more }],
  groups: [{ name: 'inventory', topics: [topic] }],
})

const verify = (driver: Driver, wish: TopologyWish): Promise<TopologyDifference> => driver.topology(wish, 'verify')

describe('topology', () => {
  it('names what is missing', async () => {
    const driver = openDriver(url)
    await declare(driver, uniqueTopic('any'))
    const topic = uniqueTopic('missing')
    expect(await verify(driver, wishOf(topic))).toEqual([
      { what: `topic ${topic}`, wished: 'exists', found: 'missing' },
      { what: `group inventory on ${topic}`, wished: 'takes part', found: 'unknown' },
    ])
  })

  it('names each difference that it cannot mend, and changes nothing', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('different')
    await declare(driver, topic, { ordered: true, queues: 3 })
    expect(await verify(driver, wishOf(topic, { ordered: true, partitions: 5 }))).toEqual([
      { what: `group inventory on ${topic}: queues`, wished: '5', found: '3' },
    ])
    const stricter = openDriver(url, { deliveryLimit: 500 })
    const difference = {
      what: `queue ${orderedQueueName(topic, 'inventory', 'a', 0)}: x-delivery-limit`,
      wished: '500',
      found: '100',
    }
    expect(await verify(stricter, wishOf(topic, { ordered: true }))).toEqual([difference])
    expect(await stricter.topology(wishOf(topic, { ordered: true }), 'create')).toEqual([difference])
  })

  it('asks for order where a group was declared without', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('order')
    await declare(driver, topic)
    expect(await verify(driver, wishOf(topic, { ordered: true }))).toEqual([
      { what: `group inventory on ${topic}`, wished: 'keeps order by key', found: 'one queue without order' },
    ])
  })

  it('recognises an exchange of another kind, and one that was declared with another number of buckets', async () => {
    const driver = openDriver(url)
    const { channel } = await openBroker(url)
    const [fanout, other] = [uniqueTopic('fanout'), uniqueTopic('other')]
    await channel.assertExchange(fanout, 'fanout')
    await channel.assertExchange(other, 'direct', { alternateExchange: 'mekong::unclaimed:fnv1a-256' })
    const [wrongKind] = await driver.topology({ topics: wishOf(fanout).topics, groups: [] }, 'create')
    expect(wrongKind).toEqual({ what: `topic ${fanout}: type`, wished: 'direct', found: 'fanout' })
    const [wrongBuckets] = await verify(driver, { topics: wishOf(other).topics, groups: [] })
    expect(wrongBuckets).toEqual({
      what: `topic ${other}: alternate-exchange`,
      wished: 'mekong::unclaimed:fnv1a-128',
      found: 'mekong::unclaimed:fnv1a-256',
    })
  })

  it('keeps the number of queues of a group that is there, where nobody asks for another', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('kept')
    await declare(driver, topic, { ordered: true, queues: 5 })
    await declare(openDriver(url, { queues: 2 }), topic, { ordered: true })
    expect(await verify(driver, wishOf(topic, { ordered: true, partitions: 5 }))).toEqual([])
  })

  it.each(['first', 'middle', 'last'] as const)(
    'tells that the %s queue of a group is missing, and declares it again',
    async which => {
      const driver = openDriver(url)
      const topic = uniqueTopic('damaged')
      await declare(driver, topic, { ordered: true, queues: 3 })
      const { channel } = await openBroker(url)
      const index = { first: 0, middle: 1, last: 2 }[which]
      await channel.deleteQueue(orderedQueueName(topic, 'inventory', 'a', index))
      const what = `group inventory on ${topic}`
      expect(await verify(driver, wishOf(topic, { ordered: true }))).toEqual([
        index === 0
          ? { what, wished: 'takes part', found: 'unknown' }
          : { what: `${what}: queues`, wished: '3', found: `${index}: the others are missing` },
      ])
      // Whoever declares it asks for no number, or for another one.
      await declare(openDriver(url, { queues: 7 }), topic, { ordered: true })
      expect(await verify(driver, wishOf(topic, { ordered: true, partitions: 3 }))).toEqual([])
      await channel.checkQueue(orderedQueueName(topic, 'inventory', 'a', index))
    },
  )

  it('declares queues that survive the broker, with a delivery limit and a backstop', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('arguments')
    await declare(driver, topic)
    const { channel } = await openBroker(url)
    const name = unorderedQueueName(topic, 'inventory')
    await channel.assertQueue(name, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-single-active-consumer': false,
        'x-delivery-limit': 100,
        'x-dead-letter-exchange': 'mekong::backstop',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    })
    const ordered = uniqueTopic('ordered')
    await declare(driver, ordered, { ordered: true, queues: 2 })
    // Without it several members would have one key in hand at once.
    await channel.assertQueue(orderedQueueName(ordered, 'inventory', 'a', 1), {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-single-active-consumer': true,
        'x-delivery-limit': 100,
        'x-dead-letter-exchange': 'mekong::backstop',
        'x-dead-letter-routing-key': 'of 2',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    })
  })

  it('keeps a topic that may be replayed in a stream, for as long as its retention says', async () => {
    const driver = openDriver(url, { replay: () => true })
    const topic = uniqueTopic('stream')
    const wish = wishOf(topic, { retentionMs: 86_400_000 })
    expect(await driver.topology(wish, 'create')).toEqual([])
    const { channel } = await openBroker(url)
    await channel.assertQueue(streamName(topic), { arguments: { 'x-queue-type': 'stream', 'x-max-age': '86400s' } })
    expect(await verify(driver, wishOf(topic, { retentionMs: 3_600_000 }))).toEqual([
      { what: `topic ${topic}: replay: x-max-age`, wished: '3600s', found: '86400s' },
    ])
  })

  it('refuses names that are too long together', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('x'.repeat(120)).slice(-140)
    const wish = { ...wishOf(topic), groups: [{ name: 'g'.repeat(150), topics: [topic] }] }
    await expect(driver.topology(wish, 'create')).rejects.toMatchObject({ failure: 'illegal' })
  })
})
