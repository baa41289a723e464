import { expect, it } from 'vitest'
import { createEventBus, type Signal } from '../../src/index.ts'
import { createMemoryBroker } from '../../src/memory/index.ts'

it('publishes and consumes each topic on the broker of its route', async () => {
  const [main, other] = [createMemoryBroker(), createMemoryBroker()]
  const signals: Signal[] = []
  const handled: unknown[] = []
  const done = Promise.withResolvers<void>()
  await using bus = await createEventBus({
    service: 'inventory',
    broker: main.driver(),
    routes: { moved: { broker: other.driver(), topics: ['order.moved'] } },
    observe: signal => signals.push(signal),
  })
  for (const type of ['order.created', 'order.moved']) {
    bus.subscribe(type, event => {
      if (handled.push(event) === 2) done.resolve()
    })
  }
  await bus.start()
  await bus.publish('order.created', { on: 'main' })
  await bus.publish('order.moved', { on: 'other' })
  await done.promise

  expect(handled).toEqual(expect.arrayContaining([{ on: 'main' }, { on: 'other' }]))
  // Each broker knows the group by its own topic only.
  await using elsewhere = await createEventBus({ service: 'audit', broker: main.driver(), from: 'earliest' })
  const seen: string[] = []
  const first = Promise.withResolvers<void>()
  for (const type of ['order.created', 'order.moved']) {
    elsewhere.subscribe(type, (_event, context) => {
      seen.push(context.type)
      first.resolve()
    })
  }
  await elsewhere.start()
  await first.promise
  expect(seen).toEqual(['order.created'])
  expect(bus.native('moved')).not.toBe(bus.native())
  expect(() => bus.native('nowhere')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }))
})
