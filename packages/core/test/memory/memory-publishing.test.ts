import { virtualClock } from '@mekong/testing'
import { expect, it } from 'vitest'
import type { Fate } from '../../src/driver/driver-contract.ts'
import { createMemoryBroker } from '../../src/memory/index.ts'
import { outgoing, Probe, publish, turns } from './probe.ts'

const wish = {
  topics: [{ name: 'orders', ordered: true, partitions: 3, retentionMs: undefined }],
  groups: [{ name: 'inventory', topics: ['orders'] }],
}

it('refuses what it cannot take, each for its reason', async () => {
  const driver = createMemoryBroker({ createTopics: 'declared' }).driver()
  await driver.topology(wish, 'create')
  const reasons = async (...messages: Parameters<typeof publish>[1][]): Promise<readonly string[]> =>
    (await driver.publish(messages, 1000)).map(fate => (fate.is === 'stored' ? 'stored' : driver.classify(fate.error)))
  expect(await reasons(outgoing('a', { topic: 'nowhere' }), outgoing('b'))).toEqual(['refused', 'stored'])
  expect(await reasons(outgoing('a', { body: new Uint8Array(1_048_577) }))).toEqual(['too-large'])
  await driver.close()
  expect(await reasons(outgoing('a'))).toEqual(['closed'])
})

it('refuses illegal topic names', async () => {
  const driver = createMemoryBroker().driver()
  const [fate] = await driver.publish([outgoing('a', { topic: 'orders and more' })], 1000)
  expect(driver.classify((fate as { error: unknown }).error)).toBe('illegal')
  const topics = [{ name: '', ordered: true, partitions: undefined, retentionMs: undefined }]
  await expect(driver.topology({ topics, groups: [] }, 'create')).rejects.toThrow('illegal topic name')
})

it('says that it is full instead of dropping what a group has not taken', async () => {
  const driver = createMemoryBroker({ partitions: 1, maxMessages: 3 }).driver()
  await driver.topology({ ...wish, topics: [] }, 'create')
  expect(await publish(driver, outgoing('a'), outgoing('b'))).toEqual(['stored', 'stored'])
  const fates = await driver.publish([outgoing('c'), outgoing('d')], 1000)
  expect(fates.map(fate => fate.is)).toEqual(['not-stored', 'not-stored'])
  expect(driver.classify((fates[0] as { error: unknown }).error)).toBe('throttled')
  expect(await publish(driver, outgoing('c'))).toEqual(['stored'])
  const probe = await Probe.join(driver)
  await probe.received(3)
  expect(probe.texts).toEqual(['a', 'b', 'c'])
})

it('drops the oldest of what every group has taken', async () => {
  const driver = createMemoryBroker({ partitions: 1, maxMessages: 2 }).driver()
  const probe = await Probe.join(driver)
  for (const text of ['a', 'b', 'c']) {
    await publish(driver, outgoing(text))
    await probe.received(probe.messagesSeen.length + 1)
    probe.acknowledge(...probe.messagesSeen)
  }
  const replay = await Probe.join(driver, { group: 'replay', from: 'earliest' })
  await replay.received(2)
  expect(replay.texts).toEqual(['b', 'c'])
})

it('drops by bytes and by age as well', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ partitions: 1, clock, maxBytes: 2 * 1_048_576, retentionMs: 1000 }).driver()
  const large = { body: new Uint8Array(900_000) }
  for (let count = 0; count < 3; count++) expect(await publish(driver, outgoing('large', large))).toEqual(['stored'])
  const first = await Probe.join(driver, { group: 'first', from: 'earliest' })
  await first.received(2)
  await clock.advance(1001)
  await publish(driver, outgoing('new'))
  const second = await Probe.join(driver, { group: 'second', from: 'earliest' })
  await second.received(1)
  await turns()
  expect(second.texts).toEqual(['new'])
})

it('lets a message that waits for redelivery hold up nobody', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ partitions: 1, maxMessages: 3, clock }).driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('failing'))
  await probe.received(1)
  probe.consumer.settle(probe.messagesSeen, { is: 'redeliver', afterMs: 3_600_000, tried: true })
  for (let count = 0; count < 10; count++) {
    expect(await publish(driver, outgoing(`${count}`))).toEqual(['stored'])
    await probe.received(2 + count)
    probe.acknowledge(probe.messagesSeen.at(-1)!)
  }
  await clock.advance(3_600_000)
  await probe.received(12)
  expect(probe.texts.at(-1)).toBe('failing')
})

it('counts delayed messages against the bound', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ partitions: 1, maxMessages: 2, clock }).driver()
  await publish(driver, outgoing('a', { delayMs: 10 }), outgoing('b', { delayMs: 10 }))
  expect(await publish(driver, outgoing('c'))).toEqual(['not-stored'])
  await clock.advance(10)
  expect(await publish(driver, outgoing('c'))).toEqual(['stored'])
})

it('compares the topology and writes nothing, or creates it', async () => {
  const broker = createMemoryBroker()
  const driver = broker.driver()
  const missing = [
    { what: 'topic orders', wished: 'exists', found: 'missing' },
    { what: 'group inventory', wished: 'takes part in orders', found: 'unknown' },
  ]
  expect(await driver.topology(wish, 'verify')).toEqual(missing)
  expect(await driver.topology(wish, 'verify')).toEqual(missing)
  expect(await driver.topology(wish, 'create')).toEqual([])
  const other = { topics: [{ name: 'orders', ordered: true, partitions: 5, retentionMs: 60_000 }], groups: [] }
  expect(await driver.topology(other, 'verify')).toEqual([
    { what: 'topic orders: partitions', wished: '5', found: '3' },
    { what: 'topic orders: retentionMs', wished: '60000', found: '3600000' },
  ])
  expect(await driver.topology(other, 'create')).toEqual([
    { what: 'topic orders: partitions', wished: '5', found: '3' },
  ])
})

it('answers a publish until settled when every declared group has settled it for good', async () => {
  const driver = createMemoryBroker().driver()
  const groups = ['inventory', 'email'].map(name => ({ name, topics: ['orders'] }))
  await driver.topology({ ...wish, groups }, 'create')
  const inventory = await Probe.join(driver)
  let fates: readonly Fate[] | undefined
  const published = driver.publish([outgoing('a', { until: 'settled' })], 60_000).then(answer => (fates = answer))
  await inventory.received(1)
  inventory.acknowledge(...inventory.messagesSeen)
  await turns()
  expect(fates).toBeUndefined()
  const email = await Probe.join(driver, { group: 'email' })
  await email.received(1)
  email.acknowledge(...email.messagesSeen)
  expect(await published).toEqual([{ is: 'stored' }])
})

it('answers unknown when a group does not settle for good in time', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ clock }).driver()
  const probe = await Probe.join(driver)
  const published = driver.publish(
    [outgoing('a', { until: 'settled' }), outgoing('b', { until: 'settled' }), outgoing('c')],
    1000,
  )
  await probe.received(3)
  const [a, b] = ['a', 'b'].map(text => probe.messagesSeen[probe.texts.indexOf(text)]!)
  probe.consumer.settle([a!], { is: 'acknowledge', durable: false })
  probe.acknowledge(b!)
  await clock.advance(1000)
  expect((await published).map(fate => fate.is)).toEqual(['unknown', 'stored', 'stored'])
})

it('answers unknown when the connection or the driver ends before everything is settled', async () => {
  const broker = createMemoryBroker()
  const driver = broker.driver()
  await driver.topology(wish, 'create')
  const cut = driver.publish([outgoing('a', { until: 'settled' })], 60_000)
  broker.disconnect()
  expect((await cut).map(fate => fate.is)).toEqual(['unknown'])
  broker.reconnect()
  const closed = driver.publish([outgoing('a', { until: 'settled' })], 60_000)
  await driver.close()
  expect((await closed).map(fate => fate.is)).toEqual(['unknown'])
})

it('answers at once until settled where no group is known', async () => {
  const driver = createMemoryBroker().driver()
  expect(await publish(driver, outgoing('a', { until: 'settled' }))).toEqual(['stored'])
})
