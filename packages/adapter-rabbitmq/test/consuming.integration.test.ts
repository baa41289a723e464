import { sharedRabbitMq } from '@mekong/stack'
import type { Incoming } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { orderedQueueName, sharedNames, unorderedQueueName } from '../src/broker-names.ts'
import { bucketOf } from '../src/buckets.ts'
import type { RabbitMqConnections } from '../src/rabbitmq-driver.ts'
import { priorityOf, rendezvous } from '../src/consume/priority.ts'
import {
  acknowledge,
  bodyOf,
  consume,
  declare,
  event,
  keep,
  openBroker,
  openDriver,
  publish,
  store,
  untilAny,
} from './probe.ts'
import { cancelConsumers, closeChannels, uniqueTopic } from './rabbitmq-harness.ts'

const { url } = await sharedRabbitMq()

describe('consuming', () => {
  it('takes no more than the window before anything is settled', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('prefetch')
    await declare(driver, topic)
    await store(
      driver,
      Array.from({ length: 50 }, (_, n) => event(topic, `e${n}`)),
    )
    const probe = await consume(driver, { topic, window: 10, onMessage: keep })
    await probe.until('the window is full', () => probe.messages.length === 10)
    const { channel } = await openBroker(url)
    expect((await channel.checkQueue(unorderedQueueName(topic, 'inventory'))).messageCount).toBe(40)
    probe.consumer.settle(probe.messages.slice(0, 3), { is: 'acknowledge', durable: true })
    await probe.until('three more came', () => probe.messages.length === 13)
  })

  it('refuses a window that RabbitMQ cannot deliver, and one member more than there are queues is welcome (R13)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('window')
    await declare(driver, topic)
    await expect(consume(driver, { topic, window: 2001 })).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
    await consume(driver, { topic, window: 2000 })
  })

  it('gives one message back at once without disturbing the others, where no order is kept', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('again')
    await declare(driver, topic)
    const seen = new Map<string, number[]>()
    const probe = await consume(driver, {
      topic,
      onMessage(message, consumer) {
        const counts = seen.get(bodyOf(message)) ?? []
        seen.set(bodyOf(message), [...counts, message.deliveries!])
        if (bodyOf(message) !== 'a' || counts.length === 2) acknowledge(message, consumer)
        else consumer.settle([message], { is: 'redeliver', afterMs: 0, tried: true })
      },
    })
    await store(
      driver,
      ['a', 'b', 'c'].map(body => event(topic, body)),
    )
    await probe.until('all came', () => seen.get('a')?.length === 3 && seen.has('c'))
    expect(seen.get('a')).toEqual([1, 2, 3])
    expect(seen.get('b')).toEqual([1])
  })

  it('brings one message of an ordered queue back later as a copy, its handle and place given up', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('copy')
    await declare(driver, topic, { ordered: true, queues: 1 })
    const first: Incoming[] = []
    const probe = await consume(driver, {
      topic,
      ordered: true,
      onMessage(message, consumer) {
        if (bodyOf(message) === 'a' && first.push(message) === 1) {
          consumer.settle([message], { is: 'redeliver', afterMs: 100, tried: true })
        } else acknowledge(message, consumer)
      },
    })
    await store(
      driver,
      ['a', 'b', 'c'].map(body => event(topic, body, { key: 'k' })),
    )
    await probe.until('it came again', () => first.length === 2)
    expect(probe.bodies()).toEqual(['a', 'b', 'c', 'a'])
    expect(first[1]).toMatchObject({ key: 'k', deliveries: 2, messageId: 'a' })
    expect(Object.fromEntries(first[1]!.headers.entries())).toEqual(Object.fromEntries(first[0]!.headers.entries()))
  })

  it('keeps every event of a key in one queue, whoever publishes it', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('buckets')
    await declare(driver, topic, { ordered: true, queues: 4 })
    const keys = Array.from({ length: 40 }, (_, n) => `key-${n}`)
    await store(
      driver,
      keys.map(key => event(topic, key, { key })),
    )
    const { channel } = await openBroker(url)
    // A publisher that knows nothing but the protocol.
    for (const key of keys) {
      channel.publish(topic, `${topic}.${bucketOf(key)}`, Buffer.from(key), {
        headers: { 'cloudEvents:partitionkey': key },
      })
    }
    const probe = await consume(driver, { topic, ordered: true })
    await probe.until('all came', () => probe.messages.length === 2 * keys.length)
    const queueOf = new Map<string, string>()
    for (const { key, partition } of probe.messages) {
      expect(queueOf.get(key!) ?? partition.id).toBe(partition.id)
      queueOf.set(key!, partition.id)
    }
    expect(new Set(queueOf.values()).size).toBe(4)
  })

  it('delivers an ordered queue to one member at a time, and to the next when that one has closed its channel', async () => {
    const [one, other] = [openDriver(url), openDriver(url)]
    const topic = uniqueTopic('single')
    await declare(one, topic, { ordered: true, queues: 1 })
    const queue = orderedQueueName(topic, 'inventory', 'a', 0)
    // From RabbitMQ 4 on who wants it more is the active one, before that who came first.
    const wish = (member: string): number => rendezvous(member, queue)
    const [member, reserve] = ['here', 'there'].toSorted((a, b) => wish(b) - wish(a)) as [string, string]
    const first = await consume(one, { topic, ordered: true, member, onMessage: keep })
    const second = await consume(other, { topic, ordered: true, member: reserve })
    await store(
      one,
      ['a', 'b', 'c'].map(body => event(topic, body, { key: 'k' })),
    )
    await first.until('the first has all', () => first.messages.length === 3)
    expect(second.messages).toEqual([])
    expect(second.assigned.size).toBe(0)
    acknowledge(first.messages[0]!, first.consumer)
    // Stopped, it still holds what it has: leaving now would let the second overtake it.
    await first.consumer.stop()
    await store(one, [event(topic, 'd', { key: 'k' })])
    expect(second.messages).toEqual([])
    await first.consumer.close()
    await second.until('the second has the rest', () => second.messages.length === 3)
    expect(second.bodies()).toEqual(['b', 'c', 'd'])
  })

  it('leaves an unordered queue to the others when it stops', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('stopped')
    await declare(driver, topic)
    const first = await consume(driver, { topic })
    const second = await consume(driver, { topic })
    await first.consumer.stop()
    await store(
      driver,
      Array.from({ length: 10 }, (_, n) => event(topic, `e${n}`)),
    )
    await second.until('it has all', () => second.messages.length === 10)
    expect(first.messages).toEqual([])
  })

  it('says which handles died with a channel, drops what is settled on them later, and consumes on (R2, R9)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('dead')
    await declare(driver, topic, { ordered: true, queues: 1 })
    const probe = await consume(driver, { topic, ordered: true, onMessage: keep })
    await store(
      driver,
      ['a', 'b'].map(body => event(topic, body, { key: 'k' })),
    )
    await probe.until('both came', () => probe.messages.length === 2)
    const dead = [...probe.messages]
    closeChannels(driver.native as RabbitMqConnections)
    await probe.until('both came again', () => probe.messages.length === 4)
    expect(probe.lost).toEqual(dead)
    expect(probe.bodies()).toEqual(['a', 'b', 'a', 'b'])
    expect(probe.assigned.size).toBe(1)
    // On the new channel their tags are those of other messages: nothing may be acknowledged by them.
    probe.consumer.settle(dead, { is: 'acknowledge', durable: true })
    await store(driver, [event(topic, 'c', { key: 'k' })])
    await probe.until('the next one came', () => probe.messages.length === 5)
    closeChannels(driver.native as RabbitMqConnections)
    await probe.until('all three came again', () => probe.messages.length === 8)
    expect(probe.bodies().slice(5)).toEqual(['a', 'b', 'c'])
  })

  it('declares its group again when the broker cancels its consumers, and says that it had trouble (R8)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('cancelled')
    await declare(driver, topic, { ordered: true, queues: 2 })
    const probe = await consume(driver, { topic, ordered: true })
    await store(driver, [event(topic, 'a', { key: 'a' })])
    await probe.until('the first came', () => probe.messages.length === 1)
    const { channel } = await openBroker(url)
    for (const index of [1, 0]) await channel.deleteQueue(orderedQueueName(topic, 'inventory', 'a', index))
    await probe.until('it is well again', () => probe.statuses.at(-1)?.is === 'running' && probe.statuses.length >= 3)
    expect(probe.statuses.map(({ is }) => is)).toContain('degraded')
    await store(driver, [event(topic, 'b', { key: 'a' })])
    await probe.until('the next came', () => probe.bodies().includes('b'))
  })

  it('declares one of its queues again when only that one was deleted', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('partly')
    await declare(driver, topic, { ordered: true, queues: 4 })
    const probe = await consume(driver, { topic, ordered: true })
    // Whoever did not declare the group waits until somebody does.
    const guest = await consume(openDriver(url), { topic, ordered: true })
    const { channel } = await openBroker(url)
    await channel.deleteQueue(orderedQueueName(topic, 'inventory', 'a', 1))
    await probe.until('it is told', () => probe.statuses.some(({ is }) => is === 'degraded'))
    await probe.until('it is well again', () => probe.statuses.at(-1)?.is === 'running')
    await guest.until('the guest is well again', () => guest.statuses.at(-1)?.is === 'running')
    const keys = Array.from({ length: 30 }, (_, n) => `key-${n}`)
    await store(
      driver,
      keys.map(key => event(topic, key, { key })),
    )
    await untilAny([probe, guest], 'all came', () => probe.messages.length + guest.messages.length === keys.length)
    const queues = new Set([...probe.messages, ...guest.messages].map(({ partition }) => partition.id))
    expect(queues.size).toBe(4)
  })

  it('consumes again when its consumer is gone and nobody has told', async () => {
    const driver = openDriver(url, { recheckMs: 200 })
    const topic = uniqueTopic('forgotten')
    await declare(driver, topic, { ordered: true, queues: 2 })
    const probe = await consume(driver, { topic, ordered: true })
    await cancelConsumers(driver.native as RabbitMqConnections)
    const { channel } = await openBroker(url)
    const name = orderedQueueName(topic, 'inventory', 'a', 0)
    expect((await channel.checkQueue(name)).consumerCount).toBe(0)
    await store(driver, [event(topic, 'a', { key: 'a' }), event(topic, 'b', { key: 'b' })])
    await probe.until('both came', () => probe.messages.length === 2)
  })

  it('spreads queues over members by priority on RabbitMQ 4, and gives all to the first before that', async () => {
    const [one, other] = [openDriver(url), openDriver(url)]
    const topic = uniqueTopic('balance')
    await declare(one, topic, { ordered: true, queues: 8 })
    const members = [
      { name: 'first', probe: await consume(one, { topic, ordered: true, member: 'first' }) },
      { name: 'second', probe: await consume(other, { topic, ordered: true, member: 'second' }) },
    ]
    const keys = Array.from({ length: 100 }, (_, n) => `key-${n}`)
    await store(
      one,
      keys.map(key => event(topic, key, { key })),
    )
    const probes = members.map(({ probe }) => probe)
    await untilAny(probes, 'all came', () => probes.flatMap(({ messages }) => messages).length === keys.length)
    const holder = new Map(
      members.flatMap(({ name, probe }) => [...probe.assigned].map(({ id }) => [id, name] as const)),
    )
    expect(holder.size).toBe(8)
    const { model } = await openBroker(url)
    const isSpread = priorityOf('first', 'any', model) !== undefined
    for (const [queue, name] of holder) {
      const prefersSecond = rendezvous('second', queue) > rendezvous('first', queue)
      expect([queue, name]).toEqual([queue, isSpread && prefersSecond ? 'second' : 'first'])
    }
    expect(new Set(holder.values()).size).toBe(isSpread ? 2 : 1)
  })

  it('refuses a group that nobody declared, and order where it was declared without', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('undeclared')
    await declare(driver, topic)
    await expect(consume(driver, { topic, group: 'email' })).rejects.toMatchObject({ failure: 'refused' })
    await expect(consume(driver, { topic, ordered: true })).rejects.toMatchObject({ failure: 'refused' })
    await expect(consume(driver, { topic, from: { time: 0 } })).rejects.toMatchObject({ failure: 'refused' })
    await expect(consume(driver, { topic, isReplay: true })).rejects.toMatchObject({ failure: 'refused' })
  })

  it('sets aside what always ends its consumer, with nothing that was not in hand, and says so (R11, R16)', async () => {
    const driver = openDriver(url, { recheckMs: 200 })
    const topic = uniqueTopic('poison')
    await declare(driver, topic, { ordered: true, queues: 1 })
    const poison = `${topic}:poison`
    let deliveries = 0
    const probe = await consume(driver, {
      topic,
      ordered: true,
      window: 1,
      onMessage(message, consumer) {
        if (bodyOf(message) !== poison) return acknowledge(message, consumer)
        deliveries++
        // As when the process dies of it.
        closeChannels(driver.native as RabbitMqConnections)
      },
    })
    await store(
      driver,
      [poison, 'innocent'].map(body => event(topic, body, { key: 'k' })),
    )
    await probe.until('the next one came', () => probe.bodies().includes('innocent'), 50_000)
    expect(deliveries).toBeGreaterThanOrEqual(100)
    expect(deliveries).toBeLessThanOrEqual(102)
    await probe.until('it is told', () =>
      probe.statuses.some(status => status.is === 'degraded' && String(status.error).includes(sharedNames.backstop)),
    )
    const { channel } = await openBroker(url)
    const aside: string[] = []
    for (;;) {
      const message = await channel.get(sharedNames.backstop)
      if (message === false) break
      aside.push(message.content.toString())
    }
    expect(aside.filter(body => body.startsWith(topic) || body === 'innocent')).toEqual([poison])
  })

  it('reads what other programs wrote: any properties, any key, no headers', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('foreign')
    await declare(driver, topic, { ordered: true, queues: 2 })
    const probe = await consume(driver, { topic, ordered: true })
    const { channel } = await openBroker(url)
    channel.publish(topic, `${topic}.127`, Buffer.from('plain'))
    channel.publish(topic, `${topic}.0`, Buffer.from('named'), { messageId: 'm-1', contentType: 'text/plain' })
    channel.sendToQueue(orderedQueueName(topic, 'inventory', 'a', 0), Buffer.from('direct'))
    await probe.until('all came', () => probe.messages.length === 3)
    const by = (body: string): Incoming => probe.messages.find(message => bodyOf(message) === body)!
    expect(by('plain')).toMatchObject({ key: undefined, messageId: undefined, deliveries: 1 })
    expect(by('named').messageId).toBe('m-1')
    expect([...by('named').headers.entries()]).toEqual([['content-type', 'text/plain']])
  })

  it('keeps what was published while a group had nobody, and answers how much waits', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('away')
    await declare(driver, topic, { groups: ['inventory', 'email'] })
    expect((await publish(driver, [event(topic, 'a'), event(topic, 'b')])).map(({ is }) => is)).toEqual([
      'stored',
      'stored',
    ])
    const probe = await consume(driver, { topic, group: 'email', window: 1, onMessage: keep })
    await probe.until('one came', () => probe.messages.length === 1)
    expect([...(await probe.consumer.lag()).values()]).toEqual([{ messages: 2 }])
  })
})
