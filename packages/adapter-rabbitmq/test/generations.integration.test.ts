import { sharedRabbitMq } from '@mekong/stack'
import type { Consumer, Driver, Incoming } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { orderedQueueName } from '../src/broker-names.ts'
import {
  acknowledge,
  bodyOf,
  consume,
  declare,
  event,
  keep,
  openBroker,
  openDriver,
  store,
  untilAny,
  type Probe,
} from './probe.ts'
import { uniqueTopic } from './rabbitmq-harness.ts'

const { url } = await sharedRabbitMq()

/** One event of each key after the other, as the bus does: the next of a key when the one before it is confirmed. */
class Load {
  readonly #driver: Driver
  readonly #topic: string
  readonly #keys: readonly string[]
  #isOver = false
  published = 0
  readonly running: Promise<unknown>

  constructor(driver: Driver, topic: string, keys: readonly string[]) {
    this.#driver = driver
    this.#topic = topic
    this.#keys = keys
    this.running = Promise.all(keys.map(key => this.#run(key)))
  }

  async stop(): Promise<readonly string[]> {
    this.#isOver = true
    await this.running
    return this.#keys
  }

  async #run(key: string): Promise<void> {
    for (let n = 1; !this.#isOver; n++) {
      await store(this.#driver, [event(this.#topic, `${key}:${n}`, { key })])
      this.published++
    }
  }
}

/** First occurrences of each key came in the order in which they were published, without a gap. */
function expectOrder(came: readonly string[], published: number): void {
  const next = new Map<string, number>()
  for (const body of new Set(came)) {
    const [key = '', n] = body.split(':')
    expect([key, Number(n)]).toEqual([key, (next.get(key) ?? 0) + 1])
    next.set(key, Number(n))
  }
  expect([...next.values()].reduce((sum, n) => sum + n, 0)).toBe(published)
}

const keys = Array.from({ length: 24 }, (_, n) => `k${n}`)

describe('a change of the number of queues', () => {
  it.each([
    ['more', 2, 5],
    ['fewer', 4, 1],
  ])('to %s keeps order by key and loses nothing, under load and with several members', async (_, before, after) => {
    const [publisher, one, other, deployer] = [openDriver(url), openDriver(url), openDriver(url), openDriver(url)]
    const topic = uniqueTopic('grow')
    await declare(one, topic, { ordered: true, queues: before })
    const came: string[] = []
    const onMessage = (message: Incoming, consumer: Consumer): void => {
      came.push(bodyOf(message))
      acknowledge(message, consumer)
    }
    // The second member joins so late that most of its channels are not the active ones.
    const members = [await consume(one, { topic, ordered: true, onMessage })]
    const load = new Load(publisher, topic, keys.slice(0, 8))
    await members[0]!.until('it flows', () => came.length > 200)
    members.push(await consume(other, { topic, ordered: true, onMessage }))
    await declare(deployer, topic, { ordered: true, queues: after })
    members.push(await consume(deployer, { topic, ordered: true, onMessage }))
    const ofNew = (): number =>
      members.flatMap(({ messages }) => messages).filter(({ partition }) => partition.id.includes(':inventory:b'))
        .length
    await untilAny(members, 'the new queues flow', () => ofNew() > 200, 30_000)
    await load.stop()
    await untilAny(members, 'all came', () => new Set(came).size >= load.published)
    expectOrder(came, load.published)
    const { channel } = await openBroker(url)
    await expect(channel.checkQueue(orderedQueueName(topic, 'inventory', 'a', 0))).rejects.toMatchObject({ code: 404 })
    expect(await deployer.topology(wishOf(topic, after), 'verify')).toEqual([])
  })

  it('begins with the new queues only when the last message of the old ones is settled', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('drain')
    await declare(driver, topic, { ordered: true, queues: 2 })
    await store(
      driver,
      keys.map(key => event(topic, `${key}:1`, { key })),
    )
    const probe = await consume(driver, { topic, ordered: true, onMessage: keep })
    await probe.until('the old ones came', () => probe.messages.length === keys.length)
    await declare(driver, topic, { ordered: true, queues: 3 })
    await store(
      driver,
      keys.map(key => event(topic, `${key}:2`, { key })),
    )
    const late = await consume(openDriver(url), { topic, ordered: true, onMessage: keep })
    const [last, ...others] = probe.messages.toReversed()
    probe.consumer.settle(others, { is: 'acknowledge', durable: true })
    // Whatever comes of the queues that are drained: one of them is not.
    const { channel } = await openBroker(url)
    await expect(channel.checkQueue(orderedQueueName(topic, 'inventory', 'b', 2))).resolves.toMatchObject({
      consumerCount: 0,
    })
    expect([probe, late].flatMap(({ messages }) => messages).some(message => bodyOf(message).endsWith(':2'))).toBe(
      false,
    )
    acknowledge(last!, probe.consumer)
    const all = [probe, late]
    await untilAny(all, 'the new ones came', () => countOf(all, ':2') === keys.length)
    expect(countOf(all, ':1')).toBe(keys.length)
  })

  it('drops nothing when nobody consumes meanwhile, and goes on where a change was cut off', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('alone')
    await declare(driver, topic, { ordered: true, queues: 2 })
    await store(
      driver,
      keys.map(key => event(topic, `${key}:1`, { key })),
    )
    await declare(driver, topic, { ordered: true, queues: 4 })
    await store(
      driver,
      keys.map(key => event(topic, `${key}:2`, { key })),
    )
    // Another process that starts repeats the change.
    await declare(openDriver(url), topic, { ordered: true, queues: 4 })
    await store(
      driver,
      keys.map(key => event(topic, `${key}:3`, { key })),
    )
    const probe = await consume(driver, { topic, ordered: true })
    await probe.until('all came', () => new Set(probe.bodies()).size === 3 * keys.length)
    expectOrder(probe.bodies(), 3 * keys.length)
  })

  it('brings back what was delayed, when the queue that it comes back to is gone by then', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('outlived')
    await declare(driver, topic, { ordered: true, queues: 1 })
    const probe = await consume(driver, {
      topic,
      ordered: true,
      onMessage(message, consumer) {
        const isFirst = message.deliveries === 1 && bodyOf(message) === 'delayed'
        if (!isFirst) return acknowledge(message, consumer)
        consumer.settle([message], { is: 'redeliver', afterMs: 3000, tried: true })
      },
    })
    await store(driver, [event(topic, 'delayed', { key: 'k' })])
    await probe.until('it came', () => probe.messages.length === 1)
    await declare(driver, topic, { ordered: true, queues: 2 })
    await store(driver, [event(topic, 'next', { key: 'k' })])
    await probe.until('it came again', () => probe.messages.length === 3)
    expect(probe.bodies()).toEqual(['delayed', 'next', 'delayed'])
    expect(probe.messages.map(({ partition }) => partition.id.includes(':inventory:b'))).toEqual([false, true, true])
  })

  it('lets processes that start at once agree', async () => {
    const topic = uniqueTopic('race')
    const drivers = Array.from({ length: 4 }, () => openDriver(url))
    await Promise.all(drivers.map(driver => declare(driver, topic, { ordered: true, queues: 3 })))
    await store(
      drivers[0]!,
      keys.map(key => event(topic, `${key}:1`, { key })),
    )
    const probe = await consume(drivers[1]!, { topic, ordered: true })
    await probe.until('all came', () => probe.messages.length === keys.length)
    expect(new Set(probe.bodies()).size).toBe(keys.length)
  })

  it('keeps order from the moment that somebody asks for it', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('upgrade')
    await declare(driver, topic)
    await store(driver, [event(topic, 'before')])
    await declare(driver, topic, { ordered: true, queues: 2 })
    await store(driver, [event(topic, 'k:1', { key: 'k' }), event(topic, 'k:2', { key: 'k' })])
    const probe = await consume(driver, { topic, ordered: true })
    await probe.until('all came', () => probe.messages.length === 3)
    expect(probe.bodies().filter(body => body !== 'before')).toEqual(['k:1', 'k:2'])
    // Whoever asks for less is served as well.
    await declare(driver, topic)
  })
})

function countOf(probes: readonly Probe[], suffix: string): number {
  return new Set(probes.flatMap(probe => probe.bodies()).filter(body => body.endsWith(suffix))).size
}

function wishOf(topic: string, partitions: number): Parameters<Driver['topology']>[0] {
  return {
    topics: [{ name: topic, ordered: true, partitions, retentionMs: undefined }],
    groups: [{ name: 'inventory', topics: [topic] }],
  }
}
