import { setTimeout as delay } from 'node:timers/promises'
import { startRabbitMq, type RabbitMqServer } from '@mekong/stack'
import type { Consumer, Fate, Incoming } from '@mekong/core/driver'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { orderedQueueName, unorderedQueueName } from '../src/broker-names.ts'
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
import { killAndRestart, uniqueTopic } from './rabbitmq-harness.ts'

const server: RabbitMqServer = await startRabbitMq({ proxied: true })
const { url, directUrl } = server
const proxy = server.proxies[0]!

afterAll(() => server.stop())

describe('a broker that fails', () => {
  it('keeps what it confirmed when it is killed in the middle of publishing (R5)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('killed')
    await declare(driver, topic, { ordered: true, queues: 2 })
    const fates = new Map<string, Fate['is']>()
    let isOver = false
    const publishing = Promise.all(
      Array.from({ length: 8 }, async (_, key) => {
        for (let n = 0; !isOver; n++) {
          const events = Array.from({ length: 20 }, (__, i) => event(topic, `${key}:${n}:${i}`, { key: `${key}-${i}` }))
          for (const [index, fate] of (await publish(driver, events, 30_000)).entries()) {
            fates.set(bodyOf({ body: events[index]!.body } as Incoming), fate.is)
          }
        }
      }),
    )
    onTestFinished(() => void (isOver = true))
    await until(() => fates.size > 2000)
    await killAndRestart(server)
    const before = fates.size
    await until(() => fates.size > before + 1000)
    isOver = true
    await publishing
    const probe = await consume(driver, { topic, ordered: true, window: 1000 })
    const came = new Set<string>()
    const confirmed = [...fates].filter(([, is]) => is === 'stored').map(([body]) => body)
    await probe.until('every confirmed one came', () => {
      for (const body of probe.bodies().slice(came.size)) came.add(body)
      return confirmed.every(body => came.has(body))
    })
    const notStored = [...fates].filter(([, is]) => is === 'not-stored').map(([body]) => body)
    expect(notStored.filter(body => came.has(body))).toEqual([])
    expect([...fates.values()]).toContain('unknown')
  })

  it('does not know what became of a publish when the connection is cut before the answer', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('cut')
    await declare(driver, topic)
    await store(driver, [event(topic, 'before')])
    const cut = proxy.cutBeforeReply(bytes => bytes.includes('in-doubt'))
    const [fate] = await publish(driver, [event(topic, 'in-doubt')])
    expect(await cut).toBe(true)
    expect(fate?.is).toBe('unknown')
    expect(driver.classify((fate as { error: unknown }).error)).toBe('transient')
    await store(driver, [event(topic, 'after')])
    const probe = await consume(driver, { topic })
    await probe.until('all came', () => probe.bodies().includes('after'))
    expect(probe.bodies()).toEqual(['before', 'in-doubt', 'after'])
  })

  it('notices within a few heartbeats that nobody answers any more, and comes back (R7, R15)', async () => {
    const driver = openDriver(url, { heartbeatMs: 1000 })
    const topic = uniqueTopic('frozen')
    await declare(driver, topic)
    const probe = await consume(driver, { topic, onMessage: keep })
    await store(driver, [event(topic, 'a')])
    await probe.until('it came', () => probe.messages.length === 1)
    await server.pause()
    let isPaused = true
    onTestFinished(async () => {
      if (isPaused) await server.resume()
    })
    const pausedAt = performance.now()
    const [fate] = await publish(driver, [event(topic, 'b')], 500)
    expect(performance.now() - pausedAt).toBeLessThan(1500)
    expect(fate?.is).toBe('unknown')
    await probe.until('it is noticed', () => probe.statuses.at(-1)?.is === 'reconnecting', 8000)
    expect(probe.lost.map(bodyOf)).toEqual(['a'])
    await server.resume()
    isPaused = false
    await probe.until('it is well again', () => probe.statuses.at(-1)?.is === 'running')
    await store(driver, [event(topic, 'c')])
    await probe.until('all came', () => ['a', 'b', 'c'].every(body => probe.bodies().slice(1).includes(body)))
  })

  it('waits while the broker takes no messages, says so when time is up, and consumes meanwhile (R6)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('blocked')
    await declare(driver, topic)
    await store(
      driver,
      ['a', 'b'].map(body => event(topic, body)),
    )
    await server.control('set_vm_memory_high_watermark', '0')
    onTestFinished(() => server.control('set_vm_memory_high_watermark', '0.4').then(() => {}))
    // The broker blocks a connection when it publishes.
    const [first] = await publish(driver, [event(topic, 'c')], 1000)
    expect(first?.is).toBe('unknown')
    const [second] = await publish(driver, [event(topic, 'd')], 300)
    expect(second?.is).toBe('not-stored')
    expect(driver.classify((second as { error: unknown }).error)).toBe('throttled')
    const probe = await consume(driver, { topic })
    await probe.until('what was there came', () => probe.messages.length === 2)
    const waiting = publish(driver, [event(topic, 'e')], 60_000)
    await server.control('set_vm_memory_high_watermark', '0.4')
    expect(await waiting).toEqual([{ is: 'stored' }])
    await probe.until('the rest came', () => probe.bodies().includes('e'))
    expect(probe.bodies()).not.toContain('d')
    const { channel } = await openBroker(directUrl)
    await untilAsked(async () => (await channel.checkQueue(unorderedQueueName(topic, 'inventory'))).messageCount === 0)
  })

  it('comes back when a queue was deleted while the connection was down', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('away')
    await declare(driver, topic, { ordered: true, queues: 2 })
    const probe = await consume(driver, { topic, ordered: true })
    await proxy.refuse()
    await probe.until('it is noticed', () => probe.statuses.at(-1)?.is === 'reconnecting')
    const { channel } = await openBroker(directUrl)
    await channel.deleteQueue(orderedQueueName(topic, 'inventory', 'a', 1))
    await proxy.accept()
    await probe.until('it is told', () => probe.statuses.some(({ is }) => is === 'degraded'))
    await probe.until('it is well again', () => probe.statuses.at(-1)?.is === 'running')
    const keys = Array.from({ length: 20 }, (_, n) => `key-${n}`)
    await store(
      driver,
      keys.map(key => event(topic, key, { key })),
    )
    await probe.until('all came', () => probe.messages.length === keys.length)
    expect(new Set(probe.messages.map(({ partition }) => partition.id)).size).toBe(2)
  })

  it('goes on when the broker takes back what was in hand for too long (R10)', async () => {
    await server.control(
      'eval',
      '[application:set_env(rabbit, K, V) || {K, V} <- [{consumer_timeout, 1000}, {channel_tick_interval, 200}]].',
    )
    const forget =
      '[application:set_env(rabbit, K, V) || {K, V} <- [{consumer_timeout, 1800000}, {channel_tick_interval, 60000}]].'
    onTestFinished(() => server.control('eval', forget).then(() => {}))
    const driver = openDriver(url)
    const topic = uniqueTopic('long')
    await declare(driver, topic, { ordered: true, queues: 1 })
    let isLong = true
    const onMessage = (message: Incoming, consumer: Consumer): void => {
      if (!isLong) acknowledge(message, consumer)
      isLong = false
    }
    const probe = await consume(driver, { topic, ordered: true, window: 1, onMessage })
    await store(
      driver,
      ['a', 'b'].map(body => event(topic, body, { key: 'k' })),
    )
    await probe.until('all came', () => probe.bodies().includes('b'))
    expect(probe.bodies()).toEqual(['a', 'a', 'b'])
    expect(probe.lost.map(bodyOf)).toEqual(['a'])
    await probe.until('it is well again', () => probe.statuses.at(-1)?.is === 'running')
  })

  it('changes the number of queues while connections are cut, in order and without a loss', async () => {
    const topic = uniqueTopic('cut-change')
    const drivers = [openDriver(url), openDriver(url)]
    const deployer = openDriver(directUrl)
    await declare(deployer, topic, { ordered: true, queues: 2 })
    const came: string[] = []
    const onMessage = (message: Incoming, consumer: Consumer): void => {
      came.push(bodyOf(message))
      acknowledge(message, consumer)
    }
    const probes = await Promise.all(drivers.map(driver => consume(driver, { topic, ordered: true, onMessage })))
    let isOver = false
    const last = new Map<string, number>()
    // As the bus does: what is in doubt is sent again before anything later of its key.
    const publishing = Promise.all(
      Array.from({ length: 8 }, async (_, key) => {
        for (let n = 1; !isOver;) {
          const [fate] = await publish(drivers[key % 2]!, [event(topic, `k${key}:${n}`, { key: `k${key}` })], 5000)
          if (fate?.is === 'stored') last.set(`k${key}`, n++)
        }
      }),
    )
    onTestFinished(() => void (isOver = true))
    await untilAny(probes, 'it flows', () => came.length > 100)
    proxy.cut()
    await declare(deployer, topic, { ordered: true, queues: 4 })
    proxy.cut()
    const isNew = ({ partition }: Incoming): boolean => partition.id.includes(':inventory:b')
    const areNewRead = (): boolean => probes.some(({ messages }) => messages.some(isNew))
    await untilAny(probes, 'the new queues flow', areNewRead, 40_000)
    proxy.cut()
    isOver = true
    await publishing
    const wanted = [...last.values()].reduce((sum, n) => sum + n, 0)
    // The last of a key may be stored although nobody knows.
    await untilAny(probes, 'all came', () => new Set(came).size >= wanted)
    const next = new Map<string, number>()
    for (const body of new Set(came)) {
      const [key = '', n] = body.split(':')
      expect([key, Number(n)]).toEqual([key, (next.get(key) ?? 0) + 1])
      next.set(key, Number(n))
    }
  })
})

describe('TLS', () => {
  it('speaks it, and trusts nobody whom it need not trust', async () => {
    const secure = await startRabbitMq({ tls: true })
    onTestFinished(() => secure.stop())
    const driver = openDriver(secure.url, { tls: { ca: secure.ca! } })
    const topic = uniqueTopic('tls')
    await declare(driver, topic)
    await store(driver, [event(topic, 'a')])
    const stranger = openDriver(secure.url)
    const failure: unknown = await stranger
      .topology({ topics: [], groups: [] }, 'verify')
      .catch((error: unknown) => error)
    expect(stranger.classify(failure)).toBe('refused')
  })
})

/** For what only a count tells. */
async function until(look: () => boolean): Promise<void> {
  await untilAsked(async () => look())
}

async function untilAsked(look: () => Promise<boolean>): Promise<void> {
  for (const endsAt = performance.now() + 60_000; !(await look());) {
    if (performance.now() > endsAt) throw new Error('waited a minute in vain')
    await delay(10)
  }
}
