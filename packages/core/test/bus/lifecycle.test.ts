import { describe, expect, it } from 'vitest'
import { createEventBus } from '../../src/create-event-bus.ts'
import type { EventBusOptions } from '../../src/event-bus-options.ts'
import { virtualClock } from '../virtual-clock.ts'
import { consuming } from '../consume/consuming.ts'
import { scriptedBroker } from '../consume/scripted-broker.ts'

const never = (): Promise<void> => new Promise(() => undefined)
const refused = (): Promise<void> => Promise.reject(new Error('refused by the broker'))

/** Whether it has ended, as far as nobody needs more time. */
function watched(work: Promise<unknown>): { readonly ended: () => string } {
  let ended = 'not yet'
  work.then(
    () => (ended = 'resolved'),
    (error: unknown) => (ended = String(error)),
  )
  return { ended: () => ended }
}

describe('start', () => {
  it('rejects and closes everything when the broker refuses the consumer', async () => {
    const { broker, bus } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    broker.on.subscribe = refused
    await expect(bus.start()).rejects.toThrow('refused by the broker')
    expect(broker.isClosed).toBe(true)
    expect(bus.health().status).toBe('closed')
    await expect(bus.publish('order', 1)).rejects.toMatchObject({ code: 'BUS_CLOSED' })
  })

  it.each([
    ['transient', true],
    ['throttled', true],
    ['refused', false],
  ] as const)(
    'rejects with BROKER_UNAVAILABLE when the driver fails with an error that is %s',
    async (failure, retryable) => {
      const { broker, bus } = await consuming({ started: false })
      bus.subscribe('order', () => undefined)
      broker.on.topology = refused
      broker.on.classify = () => failure
      const error = await bus.start().catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'BROKER_UNAVAILABLE',
        retryable,
        cause: { message: 'refused by the broker' },
      })
    },
  )

  it('rejects with its own error also when closing fails as well', async () => {
    const { broker, bus } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    broker.on.subscribe = refused
    broker.on.close = () => Promise.reject(new Error('cannot even close'))
    await expect(bus.start()).rejects.toThrow('refused by the broker')
  })

  it('closes the first broker when the second one cannot be started', async () => {
    const second = scriptedBroker()
    const { broker, bus } = await consuming({
      started: false,
      options: { routes: { second: { broker: second.driver, topics: ['payment'] } } },
    })
    bus.subscribe('order', () => undefined)
    bus.subscribe('payment', () => undefined)
    second.on.subscribe = refused
    await expect(bus.start()).rejects.toThrow('refused by the broker')
    expect([broker.joined[0]!.isClosed, broker.isClosed, second.isClosed]).toEqual([true, true, true])
  })

  it('can be tried again after checks that failed, and is refused a second time', async () => {
    const { bus } = await consuming({ started: false })
    await bus.start()
    await expect(bus.start()).rejects.toMatchObject({ code: 'INVALID_STATE' })
    await bus.close()
    await expect(bus.start()).rejects.toMatchObject({ code: 'INVALID_STATE' })
  })

  it('is given up when the bus is closed meanwhile, and leaves no consumer', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    let join: () => void = () => undefined
    broker.on.subscribe = () => new Promise<void>(resolve => (join = resolve))
    const started = watched(bus.start())
    await clock.settle()
    expect(bus.health().status).toBe('starting')
    const closed = watched(bus.close())
    await clock.settle()
    join()
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    expect(started.ended()).toContain('is closed')
    expect(broker.joined[0]!.isClosed).toBe(true)
    expect(bus.health().status).toBe('closed')
  })
})

describe('subscribing after start', () => {
  it('joins the topic, once', async () => {
    const { broker, bus, clock } = await consuming()
    bus.subscribe('payment', () => undefined)
    await clock.settle()
    expect(broker.joined).toHaveLength(1)
    expect(broker.joined[0]!.topics).toEqual(['order', 'payment'])
  })

  it('joins both topics when nothing was subscribed before', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    await bus.start()
    const seen: unknown[] = []
    bus.subscribe('order', event => void seen.push(event))
    bus.subscribe('payment', event => void seen.push(event))
    await clock.settle()
    expect(broker.joined).toHaveLength(1)
    expect(broker.joined[0]!.topics).toEqual(['order', 'payment'])
    broker.deliver(await broker.assign('payment'), 'a1')
    await clock.settle()
    expect(seen).toEqual(['a1'])
  })

  it('runs each event once when it happens while start is under way', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    bus.subscribe('payment', () => undefined)
    let create: () => void = () => undefined
    broker.on.topology = () => new Promise<void>(resolve => (create = resolve))
    const started = bus.start()
    await clock.settle()
    const seen: unknown[] = []
    bus.subscribe('order', event => void seen.push(event))
    broker.on.topology = () => undefined
    create()
    await started
    await clock.settle()
    broker.deliver(await broker.assign('order'), 'a1')
    await clock.advance(1000)
    expect(seen).toEqual(['a1'])
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('is forgotten when it is refused', async () => {
    const { bus, broker, clock } = await consuming({ capabilities: { topicName: /^[a-z]+$/ } })
    expect(() => bus.subscribe('not.a.topic', () => undefined)).toThrow('no name for scripted')
    bus.subscribe('payment', () => undefined)
    await clock.settle()
    expect(broker.joined[0]!.topics).toEqual(['order', 'payment'])
    expect(bus.health()).toEqual({ status: 'ok', problems: [], sinceProgressMs: undefined })
  })

  it('is a problem of health while the broker is away, and joins when it is back', async () => {
    const { bus, broker, clock, seen } = await consuming()
    broker.on.extend = refused
    bus.subscribe('payment', () => undefined)
    await clock.advance(1000)
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      problems: [
        "subscription 'payment' did not start: scripted cannot be reached or did not answer: refused by the broker",
      ],
    })
    expect(seen('consumer')[0]).toMatchObject({ status: { is: 'degraded', error: { code: 'BROKER_UNAVAILABLE' } } })
    broker.on.extend = () => undefined
    await clock.advance(5000)
    expect(broker.joined[0]!.topics).toEqual(['order', 'payment'])
    expect(bus.health()).toMatchObject({ status: 'ok', problems: [] })
  })

  it('joins once when the first subscription of all had to try again', async () => {
    const { broker, bus, clock } = await consuming({ started: false })
    await bus.start()
    const seen: unknown[] = []
    broker.on.subscribe = refused
    bus.subscribe('order', event => void seen.push(event))
    await clock.settle()
    broker.on.subscribe = () => undefined
    await clock.advance(5000)
    broker.deliver(await broker.assign('order'), 'a1')
    await clock.settle()
    expect(seen).toEqual(['a1'])
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('is given up when the broker refuses it for good, and the next one on the topic tries again', async () => {
    const { bus, broker, clock, seen } = await consuming()
    broker.on.classify = () => 'refused'
    broker.on.extend = refused
    bus.subscribe('payment', () => undefined)
    await clock.advance(60_000)
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      problems: ["subscription 'payment' did not start: scripted refused: refused by the broker"],
    })
    expect(seen('consumer')).toMatchObject([{ status: { is: 'degraded' } }])
    broker.on.extend = () => undefined
    bus.subscribe('payment', () => undefined, { name: 'second' })
    await clock.settle()
    expect(broker.joined[0]!.topics).toEqual(['order', 'payment'])
  })

  it('is no longer tried when the bus closes', async () => {
    const { bus, broker, clock } = await consuming()
    broker.on.extend = refused
    bus.subscribe('payment', () => undefined)
    await clock.advance(1000)
    const closed = watched(bus.close())
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    const before = broker.joined[0]!.topics.length
    broker.on.extend = () => undefined
    await clock.advance(60_000)
    expect(broker.joined[0]!.topics).toHaveLength(before)
  })

  it('is refused once the bus closes', async () => {
    const { bus } = await consuming()
    const closed = bus.close()
    expect(() => bus.subscribe('payment', () => undefined)).toThrow('is closed')
    await closed
  })
})

describe('close', () => {
  it('waits for handlers, settles, leaves, and closes the broker', async () => {
    const { broker, bus, finish, clock } = await consuming()
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await clock.settle()
    const closed = watched(bus.close())
    await clock.settle()
    expect([closed.ended(), broker.joined[0]!.isStopped, bus.health().status]).toEqual(['not yet', true, 'closed'])
    await finish('a1')
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    expect(broker.settled).toEqual(['a1 acknowledge'])
    expect([broker.joined[0]!.isClosed, broker.isClosed]).toEqual([true, true])
  })

  it('begins nothing while the broker takes its time to stop', async () => {
    const { broker, bus, begun, finish, fail, clock } = await consuming({
      subscription: { concurrency: 1, retry: { maxAttempts: 2, immediate: 0, delayMs: 10 } },
    })
    broker.deliver(await broker.assign(), 'a1', 'b1', 'c1')
    await fail('a1')
    let stopped = (): void => undefined
    broker.on.stop = () => new Promise(resolve => (stopped = resolve))
    const closed = watched(bus.close())
    await finish('b1')
    // Time for the event that was delayed.
    await clock.advance(1000)
    expect(begun).toEqual(['a1', 'b1'])
    stopped()
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    expect(broker.settled).toEqual(['a1 acknowledge', 'b1 acknowledge'])
  })

  it('gives the claims of what did not run back before it is done', async () => {
    const { broker, bus, claims, finish, idempotency, clock } = await consuming()
    broker.deliver(await broker.assign(), 'a1', 'a2', 'a3')
    await clock.settle()
    const resume = claims.pause('release')
    const closed = watched(bus.close())
    await finish('a1')
    expect(closed.ended()).toBe('not yet')
    resume()
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    const asked = await idempotency.claim(
      ['a2', 'a3'].map(id => ({
        identity: { scope: 'stock/order', event: `shop ${id}` },
        token: 'next',
        leaseMs: 1,
        from: 'live' as const,
      })),
    )
    expect(asked.map(({ is }) => is)).toEqual(['mine', 'mine'])
  })

  it('gives back claims whose answer comes while it waits', async () => {
    const { broker, bus, claims, idempotency, clock } = await consuming()
    const resume = claims.pause('claim', 'after')
    broker.deliver(await broker.assign(), 'a1')
    await clock.settle()
    const closed = watched(bus.close())
    await clock.settle()
    resume()
    await clock.settle()
    expect(closed.ended()).toBe('resolved')
    const identity = { scope: 'stock/order', event: 'shop a1' }
    expect(await idempotency.claim([{ identity, token: 'next', leaseMs: 1, from: 'live' }])).toMatchObject([
      { is: 'mine' },
    ])
  })

  it('tells handlers when its time is up, and waits for one that ignores that no longer than the grace', async () => {
    const { broker, bus, running, clock } = await consuming({ options: { consume: { abortGraceMs: 500 } } })
    broker.deliver(await broker.assign(), 'a1')
    await clock.settle()
    const { signal } = running.get('a1')!.context
    const closed = watched(bus.close({ timeoutMs: 1000 }))
    await clock.advance(999)
    expect(signal.aborted).toBe(false)
    await clock.advance(1)
    expect([signal.aborted, closed.ended()]).toEqual([true, 'not yet'])
    await clock.advance(500)
    expect(closed.ended()).toBe('resolved')
    expect(broker.settled).toEqual([])
  })

  it.each([0, 100])(
    'ends although a handler ignores its signal and %i ms were over before it was told',
    async timeoutMs => {
      const { broker, bus, clock } = await consuming({ options: { consume: { abortGraceMs: 500 } } })
      broker.deliver(await broker.assign(), 'a1')
      await clock.settle()
      broker.on.stop = () => new Promise<void>(resolve => void clock.after(200, resolve))
      const closed = watched(bus.close({ timeoutMs }))
      await clock.advance(2000)
      expect(closed.ended()).toBe('resolved')
    },
  )

  it.each(['stop', 'closeConsumer', 'close'] as const)(
    'goes on when %s of the driver rejects, and says so',
    async what => {
      const { broker, bus, clock } = await consuming()
      broker.on[what] = refused
      const closed = watched(bus.close())
      await clock.settle()
      expect(closed.ended()).toContain('refused by the broker')
      expect(bus.health().status).toBe('closed')
      expect(broker.isClosed).toBe(what !== 'close')
      expect(broker.joined[0]!.isClosed).toBe(what !== 'closeConsumer')
    },
  )

  it.each(['stop', 'closeConsumer', 'close'] as const)('ends although %s of the driver never does', async what => {
    const { broker, bus, clock } = await consuming()
    broker.on[what] = never
    const closed = watched(bus.close({ timeoutMs: 1000 }))
    await clock.advance(60_000)
    expect(closed.ended()).toBe('resolved')
  })

  it('ends while a subscription waits for a hold store that is out of reach', async () => {
    const { bus, holds, clock } = await consuming()
    holds.fail('parkedKeys')
    bus.subscribe('order', () => undefined, { name: 'late' })
    await clock.advance(1000)
    const closed = watched(bus.close())
    await clock.advance(100)
    expect(closed.ended()).toBe('resolved')
  })

  it.each(['claim', 'complete', 'release', 'extend'] as const)(
    'ends while %s of the idempotency store hangs',
    async method => {
      const { broker, bus, claims, running, clock } = await consuming()
      claims.pause(method)
      broker.deliver(await broker.assign(), 'a1', 'a2')
      await clock.settle()
      running.get('a1')?.finish()
      const closed = watched(bus.close({ timeoutMs: 1000 }))
      await clock.advance(60_000)
      expect(closed.ended()).toBe('resolved')
    },
  )

  it('leaves no timer behind that keeps anything going', async () => {
    const { broker, bus, finish, clock, claims, holds } = await consuming()
    broker.deliver(await broker.assign(), 'a1')
    await finish('a1')
    await bus.close()
    const before = claims.calls('extend') + holds.calls('leaseDue') + holds.calls('nextDueAt')
    await clock.advance(600_000)
    expect(claims.calls('extend') + holds.calls('leaseDue') + holds.calls('nextDueAt')).toBe(before)
  })

  it('leaves nothing that keeps the process alive', async () => {
    const inner = virtualClock()
    const awaited = new Set<object>()
    const clock = {
      ...inner,
      after(ms: number, run: () => void, background?: 'background') {
        const timer = {}
        if (background === undefined) awaited.add(timer)
        const cancel = inner.after(ms, () => {
          awaited.delete(timer)
          run()
        })
        return () => {
          awaited.delete(timer)
          cancel()
        }
      },
    }
    const { broker, bus, finish, fail } = await consuming({ options: { clock } })
    broker.deliver(await broker.assign(), 'a1', 'b1', 'c1')
    await finish('a1')
    await fail('b1')
    await bus.publish('order', 1)
    const closed = bus.close({ timeoutMs: 1000 })
    await inner.advance(60_000)
    await closed
    expect(awaited.size).toBe(0)
  })

  it('is one and the same, however often it is called', async () => {
    const { broker, bus } = await consuming()
    let closes = 0
    broker.on.close = () => void closes++
    await Promise.all([bus.close(), bus.close(), bus[Symbol.asyncDispose]()])
    await bus.close()
    expect(closes).toBe(1)
  })

  it('of a bus that was never started closes its broker', async () => {
    const { broker, bus } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    await bus.close()
    expect(broker.isClosed).toBe(true)
    expect(broker.joined).toEqual([])
  })
})

describe('health', () => {
  it('says what each phase is, and how long nothing has happened', async () => {
    const { broker, bus, clock, finish } = await consuming({ started: false })
    bus.subscribe('order', () => undefined)
    expect(bus.health()).toEqual({ status: 'starting', problems: [], sinceProgressMs: undefined })
    await bus.start()
    expect(bus.health().status).toBe('ok')
    void finish
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(700)
    expect(bus.health().sinceProgressMs).toBe(700)
    await bus.close()
    expect(bus.health().status).toBe('closed')
  })

  it('is degraded while a consumer reconnects, and failed when it never will', async () => {
    const { broker, bus } = await consuming()
    const { sink } = broker.joined[0]!
    sink.status({ is: 'reconnecting', error: new Error('cut') })
    expect(bus.health()).toMatchObject({ status: 'degraded', problems: ['scripted: reconnecting'] })
    sink.status({ is: 'running' })
    expect(bus.health().status).toBe('ok')
    sink.status({ is: 'fatal', error: new Error('gone') })
    expect(bus.health().status).toBe('failed')
  })

  it('names what a dead event stopped, with a key or without', async () => {
    const { broker, bus, fail } = await consuming({ subscription: { onDead: 'stop', retry: { maxAttempts: 1 } } })
    broker.deliver(await broker.assign(), 'a1', 'unkeyed')
    await fail('a1')
    await fail('unkeyed')
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      problems: ['stopped at a dead event: order: a', 'stopped at a dead event: order: shop unkeyed'],
    })
  })
})

describe('options', () => {
  const broker = 'memory:'
  it.each<readonly [string, object]>([
    ['service must be', { broker }],
    ['service must be', { service: 'a b', broker }],
    ['broker is missing', { service: 'a' }],
    ['broker is missing', { service: 'a', broker: null }],
    ['broker must be a URL or a driver', { service: 'a', broker: {} }],
    ['broker is not a URL', { service: 'a', broker: 'nonsense' }],
    ["no adapter opens 'ftp:'", { service: 'a', broker: 'ftp://x' }],
    ['brokr is not an option', { service: 'a', broker, brokr: 1 }],
    ['isolation must be one of', { service: 'a', broker, isolation: 'none' }],
    ['topology must be one of', { service: 'a', broker, topology: 'make' }],
    ['from must be', { service: 'a', broker, from: 'newest' }],
    ['from must be', { service: 'a', broker, from: { time: 'yesterday' } }],
    ['replay.run must be', { service: 'a', broker, replay: { run: '', from: 'earliest' } }],
    ['replay.from must be', { service: 'a', broker, replay: { run: 'r' } }],
    ['routes.default: this name', { service: 'a', broker, routes: { default: { broker, topics: [] } } }],
    [
      "'x' is on route 'one' already",
      { service: 'a', broker, routes: { one: { broker, topics: ['x'] }, two: { broker, topics: ['x'] } } },
    ],
    ['routes.one.topics must be', { service: 'a', broker, routes: { one: { broker } } }],
    ['consume.window must be', { service: 'a', broker, consume: { window: 0 } }],
    ['consume.windw is not', { service: 'a', broker, consume: { windw: 1 } }],
    ['publish.timeoutMs must be', { service: 'a', broker, publish: { timeoutMs: 0 } }],
  ])('are refused with their path: %s', async (message, options) => {
    await expect(createEventBus(options as EventBusOptions)).rejects.toMatchObject({
      code: expect.stringMatching(/INVALID_CONFIGURATION/),
      message: expect.stringContaining(message),
    })
  })

  it('that are refused close the brokers that were opened', async () => {
    const { driver, ...broker } = scriptedBroker()
    void broker
    let isClosed = false
    const watchedDriver = { ...driver, close: async () => void (isClosed = true) }
    await expect(createEventBus({ service: 'a', broker: watchedDriver, consume: { window: -1 } })).rejects.toThrow(
      'window',
    )
    expect(isClosed).toBe(true)
  })
})
