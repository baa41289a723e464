import { afterEach, expect, it } from 'vitest'
import { parseBrokerUrl } from '../../src/driver/broker-url.ts'
import { adapter, forgetMemoryBroker, type MemoryBroker } from '../../src/memory/index.ts'
import { outgoing, Probe, publish } from './probe.ts'

afterEach(() => {
  for (const name of ['default', 'orders', 'other']) forgetMemoryBroker(name)
})

const open = async (url: string) => adapter.open(parseBrokerUrl(url))
const brokerOf = async (url: string): Promise<MemoryBroker> => (await open(url)).native as MemoryBroker

it('opens one broker for one name, and keeps it when its drivers close', async () => {
  const first = await open('memory://orders')
  await first.publish([outgoing('a')], 1000)
  await first.close()
  const broker = await brokerOf('memory://orders')
  const probe = await Probe.join(broker.driver(), { from: 'earliest' })
  await probe.received(1)
  expect(await brokerOf('memory://other')).not.toBe(broker)
})

it('calls the broker without a name default', async () => {
  const broker = await brokerOf('memory:')
  expect(await brokerOf('memory://')).toBe(broker)
  expect(await brokerOf('memory://default')).toBe(broker)
  forgetMemoryBroker()
  expect(await brokerOf('memory:')).not.toBe(broker)
})

it('takes options from the URL', async () => {
  const driver = (await brokerOf('memory://orders?partitions=2&maxMessages=3&createTopics=declared')).driver()
  expect(await publish(driver, outgoing('a'))).toEqual(['not-stored'])
  expect(driver.capabilities.batch.entries).toBe(3)
})

it('refuses parameters that it does not know, values that make no sense, and other options for the same name', async () => {
  await expect(open('memory://orders?partition=2')).rejects.toThrow(
    'broker URL: partition is not a parameter; the parameters are partitions,',
  )
  await expect(open('memory://orders?partitions=none')).rejects.toThrow('partitions must be a positive integer')
  await expect(open('memory://orders?createTopics=never')).rejects.toThrow(
    "createTopics must be one of 'on-use', 'declared'",
  )
  await expect(open('memory://orders?maxBytes=5')).rejects.toThrow('maxBytes must be at least 1048576')
  await open('memory://orders?partitions=2')
  await open('memory://orders')
  await expect(open('memory://orders?partitions=3')).rejects.toThrow(
    "memory broker 'orders' exists already, with another partitions",
  )
})
