import { virtualClock } from '@mekong/testing'
import { expect, it } from 'vitest'
import { createMemoryBroker } from '../../src/memory/index.ts'
import { outgoing, Probe, publish, textOf, turns } from './probe.ts'

it('never delivers before publish has returned', async () => {
  const driver = createMemoryBroker().driver()
  const probe = await Probe.join(driver)
  await probe.until(() => probe.partitions.size === 8)
  const fates = driver.publish([outgoing('a')], 1000)
  expect(probe.messagesSeen).toEqual([])
  expect(await fates).toEqual([{ is: 'stored' }])
  expect(probe.messagesSeen).toEqual([])
  await probe.received(1)
})

it('hands over what was published, with key, headers, position and a first delivery', async () => {
  const driver = createMemoryBroker().driver()
  const probe = await Probe.join(driver)
  await publish(
    driver,
    outgoing('a', { key: 'k', headers: { 'ce-id': '1', trace: 'x' }, body: new Uint8Array([0, 255]) }),
  )
  const [message] = await probe.received(1)
  expect(message).toMatchObject({
    key: 'k',
    position: '0',
    deliveries: 1,
    messageId: `orders/${message!.partition.id}/0`,
  })
  expect([...message!.body]).toEqual([0, 255])
  expect([...message!.headers.entries()]).toEqual([
    ['ce-id', '1'],
    ['trace', 'x'],
  ])
  expect(message!.headers.get('trace')).toBe('x')
  expect(message!.headers.get('constructor')).toBeUndefined()
})

it('gives every group every message and each message to one member of a group', async () => {
  const broker = createMemoryBroker()
  const driver = broker.driver()
  const one = await Probe.join(driver)
  const two = await Probe.join(broker.driver(), { member: 'two' })
  const email = await Probe.join(driver, { group: 'email' })
  await two.until(() => two.partitions.size === 4)
  const texts = Array.from({ length: 100 }, (_, index) => `m${index}`)
  await publish(driver, ...texts.map(text => outgoing(text, { key: text })))
  await email.received(100)
  await one.until(() => one.messagesSeen.length + two.messagesSeen.length === 100)
  expect([...one.texts, ...two.texts].toSorted()).toEqual([...texts].toSorted())
  expect(one.messagesSeen.length).toBeGreaterThan(0)
  expect(two.messagesSeen.length).toBeGreaterThan(0)
})

it('keeps the order of a key', async () => {
  const driver = createMemoryBroker().driver()
  const probe = await Probe.join(driver)
  const texts = Array.from({ length: 300 }, (_, index) => `${index}`)
  await publish(driver, ...texts.map(text => outgoing(text, { key: `k${Number(text) % 7}` })))
  await probe.received(300)
  for (let key = 0; key < 7; key++) {
    const ofKey = probe.messagesSeen
      .filter(message => message.key === `k${key}`)
      .map(message => Number(textOf(message)))
    expect(ofKey).toEqual([...ofKey].toSorted((one, other) => one - other))
  }
})

it('spreads messages without a key over all partitions', async () => {
  const driver = createMemoryBroker().driver()
  const probe = await Probe.join(driver)
  await publish(driver, ...Array.from({ length: 16 }, (_, index) => outgoing(`${index}`)))
  await probe.received(16)
  expect(new Set(probe.messagesSeen.map(message => message.partition.id)).size).toBe(8)
})

it('redelivers a message after its delay, while later ones of its partition go on', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ clock }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a', { key: 'k' }), outgoing('b', { key: 'k' }))
  const [a, b] = await probe.received(2)
  probe.consumer.settle([a!], { is: 'redeliver', afterMs: 60_000, tried: true })
  probe.acknowledge(b!)
  await publish(driver, outgoing('c', { key: 'k' }))
  await probe.received(3)
  await clock.advance(59_999)
  await turns()
  expect(probe.texts).toEqual(['a', 'b', 'c'])
  await clock.advance(1)
  await probe.received(4)
  expect(probe.texts).toEqual(['a', 'b', 'c', 'a'])
  expect(probe.messagesSeen[3]!.deliveries).toBe(2)
})

it('takes the first settlement of a message and no other', async () => {
  const broker = createMemoryBroker()
  const probe = await Probe.join(broker.driver())
  await publish(broker.driver(), outgoing('a'))
  const [a] = await probe.received(1)
  probe.acknowledge(a!)
  probe.consumer.settle([a!], { is: 'redeliver', afterMs: 0, tried: true })
  await publish(broker.driver(), outgoing('b'))
  await probe.until(() => probe.texts.includes('b'))
  await turns()
  expect(probe.texts).toEqual(['a', 'b'])
  expect(broker.violations).toEqual([])
})

it('delivers a delayed publish when it is due, in the order of the due times', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ clock, partitions: 1 }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('late', { delayMs: 2000 }), outgoing('soon', { delayMs: 1000 }), outgoing('now'))
  await probe.received(1)
  await clock.advance(1000)
  await probe.received(2)
  await clock.advance(1000)
  await probe.received(3)
  expect(probe.texts).toEqual(['now', 'soon', 'late'])
})

it('hands over no more than the window, and goes on as messages are settled', async () => {
  const driver = createMemoryBroker({ partitions: 1 }).driver()
  const probe = await Probe.join(driver, { window: 3 })
  await publish(driver, ...Array.from({ length: 10 }, (_, index) => outgoing(`${index}`)))
  await probe.received(3)
  await turns()
  expect(probe.messagesSeen.length).toBe(3)
  probe.onMessages = batch => queueMicrotask(() => probe.acknowledge(...batch))
  probe.acknowledge(...probe.messagesSeen)
  await probe.received(10)
})

it('hands over nothing of a paused partition until it is resumed', async () => {
  const driver = createMemoryBroker({ partitions: 1 }).driver()
  const probe = await Probe.join(driver)
  await probe.until(() => probe.partitions.size === 1)
  const [partition] = probe.partitions
  probe.consumer.pause(partition!)
  await publish(driver, outgoing('a'))
  await turns()
  expect(probe.texts).toEqual([])
  probe.consumer.resume(partition!)
  await probe.received(1)
})

it('begins where it is told to: the latest, the earliest, or a time', async () => {
  const clock = virtualClock({ startAt: 1000 })
  const driver = createMemoryBroker({ clock }).driver()
  await publish(driver, outgoing('a', { key: 'k' }))
  await clock.advance(1000)
  await publish(driver, outgoing('b', { key: 'k' }))
  const latest = await Probe.join(driver, { group: 'latest' })
  const earliest = await Probe.join(driver, { group: 'earliest', from: 'earliest' })
  const timed = await Probe.join(driver, { group: 'timed', from: { time: 1500 } })
  await publish(driver, outgoing('c', { key: 'k' }))
  await Promise.all([latest.received(1), earliest.received(3), timed.received(2)])
  expect([latest.texts, earliest.texts, timed.texts]).toEqual([['c'], ['a', 'b', 'c'], ['b', 'c']])
})

it('goes on where the group was when its members come back', async () => {
  const driver = createMemoryBroker().driver()
  const first = await Probe.join(driver)
  await publish(driver, outgoing('a', { key: 'k' }), outgoing('b', { key: 'k' }))
  const [a] = await first.received(2)
  first.acknowledge(a!)
  await first.consumer.close()
  await publish(driver, outgoing('c', { key: 'k' }))
  const second = await Probe.join(driver, { from: 'earliest' })
  await second.received(2)
  await turns()
  expect(second.texts).toEqual(['b', 'c'])
  expect(second.messagesSeen.map(message => message.deliveries)).toEqual([2, 1])
  expect(first.texts).toEqual(['a', 'b'])
})

it('keeps for a declared group what is published before its first member joins', async () => {
  const driver = createMemoryBroker().driver()
  const topics = [{ name: 'orders', ordered: true, partitions: undefined, retentionMs: undefined }]
  await driver.topology({ topics, groups: [{ name: 'inventory', topics: ['orders'] }] }, 'create')
  await publish(driver, outgoing('a'))
  const probe = await Probe.join(driver)
  await probe.received(1)
})

it('seeks to a position or a time, and what is in hand then is void', async () => {
  const clock = virtualClock({ startAt: 1000 })
  const driver = createMemoryBroker({ clock, partitions: 1 }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  await clock.advance(500)
  await publish(driver, outgoing('b'))
  const [a, b] = await probe.received(2)
  probe.acknowledge(a!)
  await probe.consumer.seek(a!.partition, { position: '0' })
  expect(probe.dead).toEqual([b])
  probe.acknowledge(b!)
  await probe.received(4)
  await probe.consumer.seek(a!.partition, { time: 1200 })
  await probe.received(5)
  expect(probe.texts).toEqual(['a', 'b', 'a', 'b', 'b'])
})

it('delivers in the order of the log what was given back in another order', async () => {
  const driver = createMemoryBroker({ partitions: 1 }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, ...['a', 'b', 'c'].map(text => outgoing(text)))
  for (const message of [...(await probe.received(3))].toReversed()) {
    probe.consumer.settle([message], { is: 'redeliver', afterMs: 0, tried: false })
  }
  await probe.received(6)
  expect(probe.texts).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
})

it('forgets with a seek what waits for its delay', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ partitions: 1, clock }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  const [a] = await probe.received(1)
  probe.consumer.settle([a!], { is: 'redeliver', afterMs: 1000, tried: true })
  await probe.consumer.seek(a!.partition, { position: '0' })
  await probe.received(2)
  await clock.advance(1000)
  await turns()
  expect(probe.texts).toEqual(['a', 'a'])
})

it('counts what is stored and not settled', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver, { window: 2 })
  await publish(driver, ...['a', 'b', 'c'].map(text => outgoing(text)))
  const [a] = await probe.received(2)
  const lag = async (): Promise<readonly number[]> =>
    [...(await probe.consumer.lag()).values()].map(({ messages }) => messages)
  expect(await lag()).toEqual([3])
  probe.acknowledge(a!)
  expect(await lag()).toEqual([2])
  expect(broker.lag('inventory')).toBe(2)
})

it('takes part in further topics after extend', async () => {
  const driver = createMemoryBroker().driver()
  const probe = await Probe.join(driver)
  await probe.consumer.extend([{ topic: 'payments', ordered: false }])
  await publish(driver, outgoing('a', { topic: 'payments' }), outgoing('b'))
  await probe.received(2)
  expect([...probe.texts].toSorted()).toEqual(['a', 'b'])
})

it('takes nothing after stop, and still settles', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  const [a] = await probe.received(1)
  await probe.consumer.stop()
  await publish(driver, outgoing('b'))
  await turns()
  probe.acknowledge(a!)
  expect(probe.texts).toEqual(['a'])
  expect(broker.lag('inventory')).toBe(1)
})

it('refuses a second member of the same name', async () => {
  const driver = createMemoryBroker().driver()
  await Probe.join(driver)
  await expect(Probe.join(driver)).rejects.toThrow('has a member one already')
})

it('forgets a group without members: its backlog fills no log any more', async () => {
  const broker = createMemoryBroker({ partitions: 1, maxMessages: 2 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  broker.forget('inventory')
  expect(broker.members()).toEqual([{ group: 'inventory', member: 'one' }])
  await probe.consumer.close()
  expect(await publish(driver, outgoing('a'), outgoing('b'))).toEqual(['stored', 'stored'])
  expect(await publish(driver, outgoing('c'))).toEqual(['not-stored'])
  broker.forget('inventory')
  expect(await publish(driver, outgoing('c'))).toEqual(['stored'])
})
