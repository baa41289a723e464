import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../src/driver/driver-contract.ts'
import type { SubscriptionOptions } from '../../src/event-bus.ts'
import type { EventBusOptions } from '../../src/event-bus-options.ts'
import { consuming, type Consuming } from '../consume/consuming.ts'

/** Starts with what `subscribe` asks for; resolves with the error that refuses it, or undefined. */
async function started(setting: {
  readonly capabilities?: Partial<Capabilities>
  readonly options?: Partial<EventBusOptions>
  readonly durable?: boolean
  readonly subscriptions?: readonly SubscriptionOptions[]
}): Promise<{ readonly bus: Consuming; readonly error: unknown }> {
  const bus = await consuming({ ...setting, started: false })
  for (const subscription of setting.subscriptions ?? [{}]) bus.bus.subscribe('order', () => undefined, subscription)
  const error: unknown = await bus.bus.start().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { bus, error }
}

const withoutHold = { hold: undefined }
const durableBroker = { durable: true }

describe('start refuses', () => {
  it.each<readonly [string, string, Parameters<typeof started>[0]]>([
    [
      'a hold store in memory on a broker that keeps its events',
      'pass a durable one as `hold`',
      { capabilities: durableBroker },
    ],
    ['order by key where a key has no home', "order: 'none'", { capabilities: { affinity: 'none' } }],
    [
      'parked keys without a hold store',
      'pass one as `hold`',
      { capabilities: durableBroker, durable: true, options: withoutHold, subscriptions: [{ onDead: 'park' }] },
    ],
    [
      'delayed attempts that have nowhere to wait',
      'make every attempt immediate',
      {
        capabilities: durableBroker,
        options: withoutHold,
        subscriptions: [{ retry: { maxAttempts: 5, immediate: 1 } }],
      },
    ],
    [
      'a handler that may take longer than a message may stay unsettled',
      'shorten it',
      { capabilities: { maxUnsettledMs: 1000 } },
    ],
    [
      'a memory of what was handled that is shorter than a delay',
      'retry.maxDelayMs',
      { subscriptions: [{ retry: { maxDelayMs: 8 * 86_400_000 } }] },
    ],
    ['a topic that the broker cannot name', 'is no name for scripted', { capabilities: { topicName: /^x/ } }],
    ['a replay where nothing is kept', 'it cannot replay', { options: { replay: { run: 'again', from: 'earliest' } } }],
    [
      'two subscriptions on a topic that are remembered in memory only, on a broker that keeps its events',
      "isolation: 'best-effort'",
      {
        capabilities: durableBroker,
        options: withoutHold,
        subscriptions: [{ name: 'one' }, { name: 'two' }],
      },
    ],
  ])('%s', async (_, remedy, setting) => {
    const { bus, error } = await started(setting)
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(CAPABILITY_MISSING|INVALID_CONFIGURATION)$/),
      message: expect.stringContaining(remedy),
    })
    expect(bus.broker.joined).toEqual([])
  })
})

describe('start takes', () => {
  it.each<readonly [string, Parameters<typeof started>[0]]>([
    ['no order where a key has no home', { capabilities: { affinity: 'none' }, subscriptions: [{ order: 'none' }] }],
    [
      'delayed attempts of a broker that redelivers in place',
      {
        capabilities: {
          affinity: 'in-flight',
          durable: true,
          redeliver: { maxDelayMs: 900_000, blocks: 'key', keepsPlace: true },
        },
        options: withoutHold,
      },
    ],
    ['immediate attempts without a hold store', { capabilities: durableBroker, options: withoutHold }],
    [
      'two subscriptions on a topic whose owner accepts repeated runs',
      {
        capabilities: durableBroker,
        options: { ...withoutHold, isolation: 'best-effort' },
        subscriptions: [{ name: 'one' }, { name: 'two' }],
      },
    ],
    [
      'two subscriptions on a topic that are remembered for good',
      { capabilities: durableBroker, durable: true, subscriptions: [{ name: 'one' }, { name: 'two' }] },
    ],
  ])('%s', async (_, setting) => {
    expect((await started(setting)).error).toBeUndefined()
  })
})

describe('what is chosen for the application', () => {
  it('is said at start, when something is subscribed', async () => {
    const { bus } = await started({ options: { idempotency: undefined, hold: undefined } })
    expect(bus.seen('notice').map(({ message }) => message)).toEqual([
      'idempotency is in memory: after a restart a redelivered event runs again',
      'held events are in memory',
    ])
    const silent = await consuming({ started: false, options: { idempotency: undefined } })
    await silent.bus.start()
    expect(silent.seen('notice')).toEqual([])
  })
})

describe('a dead event without a hold store', () => {
  it('goes to the dead-letter topic, confirmed before it is acknowledged', async () => {
    const bus = await consuming({ started: false, capabilities: durableBroker, options: withoutHold })
    bus.bus.subscribe(
      'order',
      () => {
        throw new Error('no\nway')
      },
      { retry: { maxAttempts: 1 } },
    )
    await bus.bus.start()
    let isStored = false
    bus.broker.on.publish = batch =>
      isStored ? batch.map(() => ({ is: 'stored' })) : batch.map(() => ({ is: 'not-stored', error: new Error('away') }))
    bus.broker.deliver(await bus.broker.assign(), 'a1')
    await bus.clock.advance(10_000)
    expect(bus.broker.settled).toEqual([])
    isStored = true
    await bus.clock.advance(60_000)
    expect(bus.broker.settled).toEqual(['a1 acknowledge'])
    expect(bus.broker.published.at(-1)).toMatchObject({
      topic: 'order.stock.dead',
      key: 'a',
      headers: { 'ce-id': 'a1', 'mekong-dead-code': 'Error', 'mekong-dead-reason': 'no way' },
    })
  })
})
