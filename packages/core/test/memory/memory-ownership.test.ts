import { virtualClock } from '@mekong/testing'
import { expect, it } from 'vitest'
import { createMemoryBroker } from '../../src/memory/index.ts'
import { outgoing, Probe, publish, turns } from './probe.ts'

it('delivers nothing of a partition before assigned has resolved', async () => {
  const driver = createMemoryBroker({ partitions: 1 }).driver()
  let ready: (() => void) | undefined
  const probe = new Probe()
  probe.onAssigned = () => new Promise(resolve => (ready = resolve))
  await probe.join(driver)
  while (ready === undefined) await turns(1)
  await publish(driver, outgoing('a'))
  await turns()
  expect(probe.texts).toEqual([])
  ready()
  await probe.received(1)
})

it('assigns again after a while when assigned rejects, and says so', async () => {
  const clock = virtualClock()
  const driver = createMemoryBroker({ partitions: 1, clock }).driver()
  const probe = new Probe()
  let tries = 0
  probe.onAssigned = async () => {
    if (tries++ === 0) throw new Error('the hold store is out of reach')
  }
  await probe.join(driver)
  await probe.until(() => probe.statuses.includes('degraded'))
  await publish(driver, outgoing('a'))
  await clock.advance(1000)
  await probe.received(1)
  expect(tries).toBe(2)
})

it('lets nobody join a topic that is refused', async () => {
  const broker = createMemoryBroker({ createTopics: 'declared' })
  await expect(Probe.join(broker.driver())).rejects.toThrow('topic orders does not exist')
  expect(broker.members()).toEqual([])
})

it('drains before a partition moves: settlements count until revoked resolves', async () => {
  const broker = createMemoryBroker({ partitions: 2 })
  const driver = broker.driver()
  const one = await Probe.join(driver)
  await one.until(() => one.partitions.size === 2)
  await publish(driver, outgoing('a'), outgoing('b'))
  const inHand = await one.received(2)
  one.onRevoked = async partition => {
    await turns(3)
    one.acknowledge(...inHand.filter(message => message.partition === partition))
  }
  const two = await Probe.join(driver, { member: 'two' })
  await two.until(() => two.partitions.size === 1)
  await turns()
  expect(one.revocations).toEqual(['drain'])
  expect(two.texts).toEqual([])
  expect(broker.lag('inventory')).toBe(1)
})

it('delivers nothing of a partition that is drained', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  await probe.until(() => probe.partitions.size === 1)
  let drained = (): void => {}
  probe.onRevoked = () => new Promise(resolve => (drained = resolve))
  const taken = broker.revoke('orders', 'drain')
  await publish(driver, outgoing('a'))
  await turns()
  expect(probe.texts).toEqual([])
  drained()
  await taken
  await probe.received(1)
})

it('gives what a drain leaves unsettled to the next owner, in a higher epoch', async () => {
  const driver = createMemoryBroker({ partitions: 2 }).driver()
  const one = await Probe.join(driver)
  await publish(driver, outgoing('a'), outgoing('b'))
  await one.received(2)
  const two = await Probe.join(driver, { member: 'two' })
  const [again] = await two.received(1)
  const before = one.messagesSeen.find(
    message => message.position === again!.position && message.partition.id === again!.partition.id,
  )
  expect(again!.partition.epoch).toBeGreaterThan(before!.partition.epoch)
  expect(again!.deliveries).toBe(2)
})

it('takes a partition whose drain lasts too long: it is lost to its owner, and settlements of it are void', async () => {
  const clock = virtualClock()
  const broker = createMemoryBroker({ partitions: 1, clock, drainTimeoutMs: 5000 })
  const driver = broker.driver()
  const one = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  const [a] = await one.received(1)
  one.onRevoked = (_, how) => (how === 'drain' ? new Promise(() => {}) : Promise.resolve())
  const taken = broker.revoke('orders', 'drain')
  await turns()
  expect(one.revocations).toEqual(['drain'])
  await clock.advance(5000)
  await taken
  one.acknowledge(a!)
  await one.received(2)
  expect(one.revocations).toEqual(['drain', 'lost'])
  expect(one.messagesSeen[1]!.partition.epoch).toBeGreaterThan(a!.partition.epoch)
})

it('revokes as lost at once, in the middle of a handler', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  const [a] = await probe.received(1)
  await broker.revoke('orders', 'lost')
  probe.acknowledge(a!)
  await probe.received(2)
  expect(probe.revocations).toEqual(['lost'])
  expect(probe.texts).toEqual(['a', 'a'])
})

it('assigns nothing to a member that has not answered its loss', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const probe = await Probe.join(broker.driver())
  await probe.until(() => probe.partitions.size === 1)
  let answer = (): void => {}
  probe.onRevoked = () => new Promise(resolve => (answer = resolve))
  let assignments = 0
  probe.onAssigned = async () => void assignments++
  await broker.revoke('orders', 'lost')
  await turns()
  expect(assignments).toBe(0)
  answer()
  await probe.until(() => assignments === 1)
})

it('gives the messages of a killed member to the others, without telling it', async () => {
  const broker = createMemoryBroker({ partitions: 2 })
  const driver = broker.driver()
  const one = await Probe.join(driver)
  const two = await Probe.join(driver, { member: 'two' })
  await two.until(() => two.partitions.size === 1)
  await publish(driver, outgoing('a'), outgoing('b'))
  await Promise.all([one.received(1), two.received(1)])
  broker.kill('one')
  one.acknowledge(...one.messagesSeen)
  await two.received(2)
  expect([...two.texts].toSorted()).toEqual(['a', 'b'])
  expect([one.revocations, one.dead]).toEqual([[], []])
  expect(broker.members()).toEqual([{ group: 'inventory', member: 'two' }])
})

it('kills in the middle of a drain', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const one = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  await one.received(1)
  one.onRevoked = () => new Promise(() => {})
  void broker.revoke('orders', 'drain')
  await one.until(() => one.revocations.length === 1)
  const two = await Probe.join(driver, { member: 'two' })
  broker.kill('one')
  await two.received(1)
})

it('abandons a driver as if its process were killed', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const process = broker.driver()
  const zombie = await Probe.join(process)
  await publish(broker.driver(), outgoing('a'))
  const [a] = await zombie.received(1)
  process.abandon()
  zombie.acknowledge(a!)
  const [fate] = await process.publish([outgoing('b')], 1000)
  expect(fate).toMatchObject({ is: 'not-stored' })
  expect(process.classify((fate as { error: unknown }).error)).toBe('closed')
  await expect(Probe.join(process, { member: 'two' })).rejects.toThrow('closed')
  const heir = await Probe.join(broker.driver(), { member: 'two' })
  await heir.received(1)
  expect(heir.texts).toEqual(['a'])
})

it('loses what members have in hand with the connection, and delivers it again when it returns', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'))
  const [a] = await probe.received(1)
  broker.disconnect()
  probe.acknowledge(a!)
  expect(await publish(driver, outgoing('b'))).toEqual(['not-stored'])
  await turns()
  expect(probe.texts).toEqual(['a'])
  broker.reconnect()
  await probe.received(2)
  expect(probe.texts).toEqual(['a', 'a'])
  expect(probe.revocations).toEqual(['lost'])
  expect(probe.statuses).toEqual(['running', 'reconnecting', 'running'])
})

it('assigns nothing to a member that joins without a connection, until it returns', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  broker.disconnect()
  const probe = await Probe.join(broker.driver())
  await turns()
  expect([probe.partitions.size, probe.statuses]).toEqual([0, []])
  broker.reconnect()
  await probe.until(() => probe.partitions.size === 1)
})

it('tells of handles that died and delivers their messages again', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const driver = broker.driver()
  const probe = await Probe.join(driver)
  await publish(driver, outgoing('a'), outgoing('b'))
  const [a, b] = await probe.received(2)
  probe.acknowledge(a!)
  broker.lose('orders')
  expect(probe.dead).toEqual([b])
  probe.acknowledge(b!)
  await probe.received(3)
  expect(probe.texts).toEqual(['a', 'b', 'b'])
})
