import { createEventBus, type EventBus } from '@mekong/core'
import { createMemoryBroker } from '@mekong/core/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { recordingSpy, virtualClock, type RecordingSpy } from '../src/index.ts'

const open: EventBus[] = []

afterEach(async () => {
  for (const bus of open.splice(0)) await bus.close()
})

async function service(spy: RecordingSpy, subscribe: (bus: EventBus) => void): Promise<EventBus> {
  const broker = createMemoryBroker().driver()
  const bus = await createEventBus({ service: 'inventory', broker, middleware: [spy.middleware] })
  open.push(bus)
  subscribe(bus)
  await bus.start()
  return bus
}

describe('recordingSpy', () => {
  it('resolves when an event that matches was handled, in the past or the future', async () => {
    const spy = recordingSpy()
    const bus = await service(spy, bus => bus.subscribe('order.created', () => {}))
    const future = spy.received('order.created', order => order.n === 2)
    await bus.publish('order.created', { n: 1 })
    await bus.publish('order.created', { n: 2 })
    expect((await future).data).toEqual({ n: 2 })
    expect((await spy.received('order.created', order => order.n === 1)).context.attempt).toBe(1)
    expect(spy.received.by('order.created').map(one => one.data)).toEqual([{ n: 1 }, { n: 2 }])
    expect(spy.received.by('another')).toEqual([])
  })

  it('records what the broker confirmed, with its data', async () => {
    const spy = recordingSpy()
    const bus = await service(spy, () => {})
    const receipt = await bus.publish('order.created', { n: 1 })
    const sent = await spy.sent('order.created')
    expect(sent.data).toEqual({ n: 1 })
    expect(sent.event.id).toBe(receipt.id)
  })

  it('counts no attempt that failed', async () => {
    const spy = recordingSpy()
    const bus = await service(spy, bus =>
      bus.subscribe('order.created', (_, { attempt }) => {
        if (attempt === 1) throw new Error('not yet')
      }),
    )
    await bus.publish('order.created', {})
    expect((await spy.received('order.created')).context.attempt).toBe(2)
    expect(spy.received.all).toHaveLength(1)
  })

  it('says what it saw instead when nothing matches in time', async () => {
    const clock = virtualClock()
    const spy = recordingSpy({ clock, timeoutMs: 100 })
    const bus = await service(spy, bus => bus.subscribe('order.created', () => {}))
    await bus.publish('order.created', {})
    await spy.received('order.created')
    const [missed] = await Promise.allSettled([spy.received('order.cancelled'), clock.advance(100)])
    expect(missed).toMatchObject({
      status: 'rejected',
      reason: { message: "no matching 'order.cancelled' was handled within 100 ms; handled: 1 × order.created" },
    })
  })

  it('forgets the oldest beyond its limit', async () => {
    const spy = recordingSpy({ limit: 2 })
    const bus = await service(spy, () => {})
    for (const n of [1, 2, 3]) await bus.publish('order.created', { n })
    expect(spy.sent.all.map(one => one.data)).toEqual([{ n: 2 }, { n: 3 }])
  })

  it('rejects with the error of a condition that throws', async () => {
    const spy = recordingSpy()
    const bus = await service(spy, bus => bus.subscribe('order.created', () => {}))
    const broken = spy.received('order.created', order => order.missing.field === 1)
    await Promise.all([expect(broken).rejects.toThrow(TypeError), bus.publish('order.created', {})])
  })
})
