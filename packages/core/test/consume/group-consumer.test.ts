import { describe, expect, it } from 'vitest'
import { consuming } from './consuming.ts'

describe('the window', () => {
  it('pauses a partition when it is full, and resumes it when half of it is settled', async () => {
    const { broker, finish, seen, clock } = await consuming({ options: { consume: { window: 4 } } })
    const partition = await broker.assign()
    const { paused } = broker.joined[0]!
    broker.deliver(partition, 'a1', 'b1', 'c1')
    expect(paused.size).toBe(0)
    broker.deliver(partition, 'd1')
    expect(paused.has(partition)).toBe(true)
    await finish('a1')
    expect(paused.has(partition)).toBe(true)
    await finish('b1')
    expect(paused.has(partition)).toBe(false)
    await clock.settle()
    expect([seen('paused'), seen('resumed')]).toMatchObject([[{ why: 'window' }], [{ partition: '0' }]])
  })

  it('keeps a partition paused until every key that found the hold store full has room', async () => {
    const { broker, bus, fail, clock } = await consuming({
      subscription: { retry: { maxAttempts: 1 } },
      options: { consume: { maxParkedPerKey: 1 } },
    })
    const partition = await broker.assign()
    const { paused } = broker.joined[0]!
    broker.deliver(partition, 'a1', 'b1')
    await fail('a1')
    await fail('b1')
    broker.deliver(partition, 'a2', 'b2')
    await clock.settle()
    expect(paused.has(partition)).toBe(true)
    await bus.held.discard({ key: 'a' })
    await clock.advance(3000)
    expect(paused.has(partition)).toBe(true)
    await bus.held.discard({ key: 'b' })
    await clock.advance(3000)
    expect(paused.has(partition)).toBe(false)
  })
})

describe('several subscriptions on one delivery', () => {
  const atOnce = { name: 'second', retry: { maxAttempts: 1 } }

  it('acknowledge it when each of them is done', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    const ends: (() => void)[] = []
    bus.subscribe('order', () => new Promise<void>(resolve => ends.push(resolve)), { name: 'first' })
    bus.subscribe('order', () => new Promise<void>(resolve => ends.push(resolve)), { name: 'second' })
    await bus.start()
    broker.deliver(await broker.assign(), 'a1')
    await clock.settle()
    ends[0]!()
    await clock.settle()
    expect(broker.settled).toEqual([])
    ends[1]!()
    await clock.settle()
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('have it redelivered when one wants it again, and do not run the other twice', async () => {
    const { broker, bus, clock } = await consuming({
      started: false,
      capabilities: { affinity: 'in-flight', redeliver: { maxDelayMs: 60_000, blocks: 'key', keepsPlace: true } },
    })
    const runs: string[] = []
    bus.subscribe('order', () => void runs.push('first'), { name: 'first' })
    bus.subscribe(
      'order',
      () => {
        runs.push('second')
        if (runs.filter(run => run === 'second').length === 1) throw new Error('not yet')
      },
      { ...atOnce, retry: { maxAttempts: 3, immediate: 0, delayMs: 10 } },
    )
    await bus.start()
    const partition = await broker.assign()
    const [first] = broker.deliver(partition, 'a1')
    await clock.settle()
    expect(broker.settlements.get(first!)).toMatchObject({ is: 'redeliver', tried: true })
    broker.deliver(partition, 'a1')
    await clock.settle()
    expect(broker.settled).toEqual(['a1 redeliver', 'a1 acknowledge'])
    expect(runs).toEqual(['first', 'second', 'second'])
  })
})

describe('a driver that hands over messages before it has given its consumer', () => {
  it('is told of every settlement as soon as it has', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    let join: () => void = () => undefined
    broker.on.subscribe = () => new Promise<void>(resolve => (join = resolve))
    const started = bus.start()
    await clock.settle()
    broker.deliver(await broker.assign(), 'a1', 'b1')
    await clock.settle()
    expect(broker.settled).toEqual([])
    join()
    await started
    await clock.settle()
    expect(broker.settled).toEqual(['a1 acknowledge', 'b1 acknowledge'])
  })
})

describe('a consumer that has lag and makes no progress', () => {
  const options = { consume: { stalledAfterMs: 1000 } }

  it('is closed, and another joins in its place', async () => {
    const { broker, clock, seen, finish } = await consuming({ options })
    const partition = await broker.assign()
    broker.lags.set(partition, { messages: 5 })
    broker.on.subscribe = () => broker.lags.clear()
    await clock.advance(3000)
    expect(seen('stalled')).toMatchObject([{ lag: 5, partition: '0' }])
    expect(broker.joined[0]!.isClosed).toBe(true)
    expect(broker.joined).toHaveLength(2)
    broker.deliver(await broker.assign(), 'a1')
    await finish('a1')
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('is not given up while something of it is here or arrives', async () => {
    const { broker, clock } = await consuming({ options })
    const partition = await broker.assign()
    broker.lags.set(partition, { messages: 5 })
    broker.deliver(partition, 'a1')
    await clock.advance(10_000)
    expect(broker.joined).toHaveLength(1)
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('gone'))],
    ['never ends', () => new Promise<void>(() => undefined)],
  ])('is replaced although its close %s', async (_, close) => {
    const { broker, clock } = await consuming({ options })
    broker.lags.set(await broker.assign(), { messages: 5 })
    broker.on.closeConsumer = close
    await clock.advance(10_000)
    expect(broker.joined.length).toBeGreaterThanOrEqual(2)
  })

  it('is replaced once the broker takes a consumer again', async () => {
    const { broker, bus, clock } = await consuming({ options })
    broker.lags.set(await broker.assign(), { messages: 5 })
    broker.on.subscribe = () => Promise.reject(new Error('away'))
    await clock.advance(4000)
    expect(bus.health()).toMatchObject({ status: 'degraded', problems: ['scripted: reconnecting'] })
    broker.on.subscribe = () => undefined
    broker.lags.clear()
    await clock.advance(10_000)
    broker.joined.at(-1)!.sink.status({ is: 'running' })
    expect(bus.health().status).toBe('ok')
    const joined = broker.joined.length
    await clock.advance(10_000)
    expect(broker.joined).toHaveLength(joined)
  })

  it('is not listened to any longer', async () => {
    const { broker, clock, begun } = await consuming({ options })
    const partition = await broker.assign()
    broker.lags.set(partition, { messages: 5 })
    await clock.advance(3000)
    broker.lags.clear()
    const [stalled] = broker.joined
    const late = { topic: 'order', id: '1', epoch: 99 }
    await stalled!.sink.assigned(late)
    broker.joined.push(stalled!)
    broker.deliver(late, 'a1')
    broker.deliver(partition, 'b1')
    await clock.settle()
    expect(begun).toEqual([])
  })

  it('is noticed also after a question for the lag that was never answered', async () => {
    const { broker, clock } = await consuming({ options })
    broker.lags.set(await broker.assign(), { messages: 5 })
    broker.on.lag = () => new Promise<void>(() => undefined)
    await clock.advance(3000)
    broker.on.lag = () => undefined
    broker.on.subscribe = () => broker.lags.clear()
    await clock.advance(3000)
    expect(broker.joined).toHaveLength(2)
  })

  it('is replaced with topics that were subscribed meanwhile', async () => {
    const { broker, bus, clock } = await consuming({ options })
    broker.lags.set(await broker.assign(), { messages: 5 })
    let join: () => void = () => undefined
    broker.on.subscribe = () => new Promise<void>(resolve => (join = resolve))
    await clock.advance(3000)
    bus.subscribe('payment', () => undefined)
    await clock.settle()
    join()
    await clock.settle()
    expect(broker.joined[1]!.topics).toEqual(['order', 'payment'])
  })

  it('leaves no consumer behind when the bus closes while another joins', async () => {
    const { broker, bus, clock } = await consuming({ options })
    broker.lags.set(await broker.assign(), { messages: 5 })
    let join: () => void = () => undefined
    broker.on.subscribe = () => new Promise<void>(resolve => (join = resolve))
    await clock.advance(3000)
    await bus.close()
    join()
    await clock.settle()
    expect(broker.joined[1]!.isClosed).toBe(true)
  })
})
