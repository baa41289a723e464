import { sharedRabbitMq } from '@mekong/stack'
import { describe, expect, it } from 'vitest'
import { sharedNames } from '../src/broker-names.ts'
import { consume, declare, event, openBroker, openDriver, publish, store } from './probe.ts'
import { uniqueTopic } from './rabbitmq-harness.ts'

const { url } = await sharedRabbitMq()

describe('publishing', () => {
  it('keeps what no group has asked for where people find it', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('nobody')
    await declare(driver, topic, { groups: [] })
    const { channel } = await openBroker(url)
    const { messageCount: before } = await channel.checkQueue(sharedNames.unclaimed)
    await store(driver, [event(topic, 'a'), event(topic, 'b', { key: 'k' })])
    const { messageCount: after } = await channel.checkQueue(sharedNames.unclaimed)
    expect(after).toBeGreaterThanOrEqual(before + 2)
  })

  it('says that it was not stored when no queue takes an event, and stores the others of its batch (R3)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('unroutable')
    const routable = uniqueTopic('routable')
    await declare(driver, routable)
    const { channel } = await openBroker(url)
    // As if somebody had declared it otherwise: with neither a group nor an alternate exchange.
    await channel.assertExchange(topic, 'direct')
    const fates = await publish(driver, [event(routable, 'a'), event(topic, 'b'), event(routable, 'c')])
    expect(fates.map(({ is }) => is)).toEqual(['stored', 'not-stored', 'stored'])
    const [, unroutable] = fates
    expect(driver.classify(unroutable?.is === 'not-stored' && unroutable.error)).toBe('refused')
    expect(unroutable).toMatchObject({ error: { message: expect.stringContaining('NO_ROUTE') as string } })
  })

  it('refuses what goes to an exchange that is missing, and nothing else with it (R4)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('there')
    await declare(driver, topic)
    const missing = event(uniqueTopic('missing'), 'lost')
    expect((await publish(driver, [{ ...missing, delayMs: 1000 }]))[0]).toMatchObject({ is: 'not-stored' })
    const batches = Array.from({ length: 20 }, (_, n) =>
      publish(driver, [event(topic, `a${n}`), missing, event(topic, `b${n}`)]),
    )
    for (const fates of await Promise.all(batches)) {
      expect(fates.map(({ is }) => is)).toEqual(['stored', 'not-stored', 'stored'])
      expect(driver.classify((fates[1] as { error: unknown }).error)).toBe('refused')
    }
  })

  it('finds out that an exchange was deleted, and goes on with the others', async () => {
    const driver = openDriver(url)
    const [topic, deleted] = [uniqueTopic('stays'), uniqueTopic('deleted')]
    await declare(driver, topic)
    await declare(driver, deleted)
    await store(driver, [event(deleted, 'a'), event(topic, 'b')])
    const { channel } = await openBroker(url)
    await channel.deleteExchange(deleted)
    // The channel dies of it, and nobody knows what became of what was on it.
    expect((await publish(driver, [event(deleted, 'c')]))[0]?.is).toBe('unknown')
    await store(driver, [event(topic, 'd')])
    const [fate] = await publish(driver, [event(deleted, 'c')])
    expect(fate).toMatchObject({ is: 'not-stored', error: { failure: 'refused' } })
  })

  it('refuses what is too large before the broker does, which would end the channel (R14)', async () => {
    const driver = openDriver(url, { maxMessageBytes: 64 * 1024 })
    const topic = uniqueTopic('large')
    await declare(driver, topic)
    const [large, small] = await publish(driver, [
      event(topic, 'large', { body: new Uint8Array(64 * 1024 + 1) }),
      event(topic, 'small', { body: new Uint8Array(64 * 1024) }),
    ])
    expect(large).toMatchObject({ is: 'not-stored', error: { failure: 'too-large' } })
    expect(small).toEqual({ is: 'stored' })
  })

  it('refuses headers that AMQP cannot write, and sends the next', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('headers')
    await declare(driver, topic)
    const headers = { 'ce-id': 'a', big: 'x'.repeat(70_000) }
    const [big, small] = await publish(driver, [event(topic, 'a', { headers }), event(topic, 'b')])
    expect(big).toMatchObject({ is: 'not-stored', error: { failure: 'illegal' } })
    expect(small).toEqual({ is: 'stored' })
  })

  it('sends no more than its window, and all of it', async () => {
    const driver = openDriver(url, { maxUnconfirmed: 7 })
    const topic = uniqueTopic('window')
    await declare(driver, topic)
    const probe = await consume(driver, { topic })
    const events = Array.from({ length: 300 }, (_, n) => event(topic, `e${n}`))
    await Promise.all([store(driver, events.slice(0, 150)), store(driver, events.slice(150))])
    await probe.until('all came', () => new Set(probe.bodies()).size === 300)
  })

  it('answers what it could not connect for with the reason, when its time is up', async () => {
    const driver = openDriver('amqp://guest:guest@127.0.0.1:1')
    const startedAt = performance.now()
    const [fate] = await publish(driver, [event('orders', 'a')], 300)
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(fate?.is).toBe('not-stored')
    expect(driver.classify((fate as { error: unknown }).error)).toBe('transient')
    expect(fate).toMatchObject({ error: { cause: { code: 'ECONNREFUSED' } } })
  })

  it('says at once that a password is wrong, without repeating it', async () => {
    const wrong = new URL(url)
    wrong.password = 'wrong-secret'
    const driver = openDriver(wrong.href, { connectTimeoutMs: 60_000 })
    const failure: unknown = await driver
      .topology({ topics: [], groups: [] }, 'verify')
      .catch((error: unknown) => error)
    expect(driver.classify(failure)).toBe('refused')
    expect(String(failure)).not.toContain('wrong-secret')
  })

  it('says at once that a virtual host is missing, and which', async () => {
    const driver = openDriver(url, { vhost: 'no/such', connectTimeoutMs: 60_000 })
    const failure: unknown = await driver
      .topology({ topics: [], groups: [] }, 'verify')
      .catch((error: unknown) => error)
    expect(driver.classify(failure)).toBe('refused')
    expect(String(failure)).toContain('virtual host no/such does not exist')
  })

  it('tries the next host when one is away', async () => {
    const { host } = new URL(url)
    const driver = openDriver(url, { hosts: ['127.0.0.1:1', host, '127.0.0.1:2'] })
    const topic = uniqueTopic('hosts')
    await declare(driver, topic)
    await store(driver, [event(topic, 'a')])
  })

  it('delays by the ladder without one event standing in the way of another (R12)', async () => {
    const driver = openDriver(url)
    const topic = uniqueTopic('delay')
    await declare(driver, topic, { ordered: true })
    const probe = await consume(driver, { topic, ordered: true })
    const publishedAt = performance.now()
    // Long ones first: with a time for each message they would hold up the short ones at the head of a queue.
    const delaysMs = [1500, 700, 90, 1, 0]
    const cameAfterMs = new Map<string, number>()
    const events = delaysMs.map(delayMs => event(topic, `${delayMs}`, { delayMs, key: `k${delayMs}` }))
    await store(driver, events)
    await probe.until('all came', () => {
      for (const body of probe.bodies())
        if (!cameAfterMs.has(body)) cameAfterMs.set(body, performance.now() - publishedAt)
      return cameAfterMs.size === delaysMs.length
    })
    expect([...cameAfterMs.keys()].map(Number).toSorted((a, b) => a - b)).toEqual(delaysMs.toReversed())
    for (const delayMs of delaysMs) expect(cameAfterMs.get(`${delayMs}`)).toBeGreaterThanOrEqual(delayMs - 2)
    expect([...cameAfterMs.keys()].slice(-2)).toEqual(['700', '1500'])
    expect(probe.messages.every(message => message.key?.startsWith('k'))).toBe(true)
  })

  it('lets nothing wait behind what is due for nobody any more, and keeps that', async () => {
    const driver = openDriver(url)
    const [topic, deleted] = [uniqueTopic('due'), uniqueTopic('gone')]
    await declare(driver, topic)
    await declare(driver, deleted, { groups: [] })
    const { channel } = await openBroker(url)
    const { messageCount: before } = await channel.checkQueue(sharedNames.unclaimed)
    // More than the broker hands on at once.
    await store(
      driver,
      Array.from({ length: 100 }, (_, n) => event(deleted, `e${n}`, { delayMs: 400 })),
    )
    await channel.deleteExchange(deleted)
    const probe = await consume(driver, { topic })
    await store(driver, [event(topic, 'after', { delayMs: 400 })])
    await probe.until('it came', () => probe.bodies().includes('after'))
    expect((await channel.checkQueue(sharedNames.unclaimed)).messageCount).toBeGreaterThanOrEqual(before + 100)
  })
})
