import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { isInjectable } from '../driver-harness.ts'
import { gate } from '../gate.ts'
import { label, names, orders } from '../orders.ts'
import type { Scene } from '../scene.ts'
import { assertEachOnce, rejectsWith } from './expectations.ts'

export const lifecycle: CaseGroup = {
  name: 'lifecycle',
  cases: [
    {
      name: 'lets running handlers finish on close, settles what they did, and leaves the rest to others',
      run: async scene => {
        const busy = gate()
        const first = await scene.start('inventory', { handle: () => busy.opened, subscription: { concurrency: 2 } })
        const shop = await scene.start('shop')
        const events = orders(names('k', 6), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.until('two handlers run', () => scene.effects.runs.length === 2)
        const running = scene.effects.runs.map(run => label(run.order))
        const closing = first.close()
        busy.open()
        await closing
        assert.deepEqual(
          scene.effects.completed().toSorted(),
          running.toSorted(),
          'close did not wait, or began new work',
        )
        await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(events.map(label))
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'cuts off a handler that outlives the deadline of close; its event is delivered again',
      run: async scene => {
        const first = await scene.start('inventory', {
          handle: (_, { signal }) =>
            new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the handler runs', () => scene.effects.runs.length === 1)
        await first.close(scene.ms(30))
        assert.equal(scene.effects.runs[0]!.context.signal.aborted, true)
        await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(['a:1'])
      },
    },
    {
      name: 'closes once, however often it is told to',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        await Promise.all([inventory.bus.close(), inventory.bus.close()])
        await inventory.bus[Symbol.asyncDispose]()
        assert.equal(inventory.bus.health().status, 'closed')
      },
    },
    {
      name: 'closes a bus that was never started',
      run: async scene => {
        const inventory = await scene.prepare('inventory', { handle: () => {} })
        await inventory.bus.close()
        await rejectsWith(inventory.bus.start(), 'BUS_CLOSED', 'INVALID_STATE')
      },
    },
    {
      name: 'says that it is well while it consumes',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        assert.deepEqual(inventory.bus.health().problems, [])
        assert.equal(inventory.bus.health().status, 'ok')
        assert.notEqual(inventory.bus.health().sinceProgressMs, undefined)
      },
    },
    {
      name: 'refuses a topic that the broker has no name for',
      run: async scene => {
        const illegal = ['x'.repeat(200), 'with.dot', 'with_underscore', 'Upper'].find(
          name => !scene.capabilities.topicName.test(name),
        )
        const contract = { 'order.created': { topic: illegal ?? 'a b', schema: anything } }
        const start = async (): Promise<void> => {
          const inventory = await scene.prepare('inventory', {
            bus: { contract: contract as never },
            prepare: bus => bus.subscribe('order.created', () => {}),
          })
          await inventory.bus.start()
        }
        // Where the broker takes every name that the bus takes, the bus is the one to refuse.
        await rejectsWith(start(), 'INVALID_CONFIGURATION', 'CAPABILITY_MISSING')
      },
    },
    {
      name: 'goes on after the connections were cut and came back, and loses nothing that was confirmed',
      needs: 'connections',
      run: async scene => {
        const { connections } = scene.harness.faults
        assert.ok(isInjectable(connections))
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop', { bus: { publish: { timeoutMs: scene.ms(5000) } } })
        const events = orders(names('k', 6), 3)
        await Promise.all(events.slice(0, 6).map(event => shop.publish(event)))
        await connections.cut()
        const during = events.slice(6, 12).map(event => shop.publish(event))
        await scene.until('a publish met the outage', () => shop.heard('publish-retried').length > 0)
        await connections.restore()
        await Promise.all(during)
        await Promise.all(events.slice(12).map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'keeps what was confirmed across a restart of the broker',
      needs: 'restartBroker',
      capability: {
        isDeclared: capabilities => capabilities.durable,
        isRefused: async scene => {
          const inventory = await scene.start('inventory', { handle: () => {} })
          assert.equal(inventory.bus.isDurable(scene.topic), false)
        },
      },
      run: async scene => {
        const { restartBroker } = scene.harness.faults
        assert.ok(isInjectable(restartBroker))
        const inventory = await scene.start('inventory', { handle: () => {} })
        await inventory.close()
        const shop = await scene.start('shop')
        const events = orders(names('k', 5), 2)
        await Promise.all(events.map(event => shop.publish(event)))
        await restartBroker()
        await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(events.map(label))
      },
    },
    {
      name: 'lets a running handler finish when its partition moves in order, and runs it nowhere else',
      needs: 'revoke',
      run: scene => revokedInMidHandler(scene, 'drain'),
    },
    {
      name: "aborts a running handler's signal when its partition is lost, and runs what it left elsewhere",
      needs: 'revoke',
      run: scene => revokedInMidHandler(scene, 'lost'),
    },
    {
      name: 'handles each event once when every handle dies in mid-handler',
      needs: 'loseHandles',
      run: async scene => {
        const { loseHandles } = scene.harness.faults
        assert.ok(isInjectable(loseHandles))
        const busy = gate()
        const inventory = await scene.start('inventory', { handle: () => busy.opened })
        const shop = await scene.start('shop')
        const events = orders(names('k', 5), 2)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.until('handlers run', () => scene.effects.runs.length >= 5 || !scene.canOrder)
        await loseHandles(scene.topic)
        busy.open()
        await scene.untilCompleted(events.map(label))
        await scene.until('everything is settled', () => inventory.driver.unsettled().length === 0)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
  ],
}

const anything = {
  '~standard': { version: 1, vendor: 'mekong-conformance', validate: (value: unknown) => ({ value }) },
}

async function revokedInMidHandler(scene: Scene, how: 'drain' | 'lost'): Promise<void> {
  const { revoke } = scene.harness.faults
  assert.ok(isInjectable(revoke))
  const busy = gate()
  const handle = (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> =>
    new Promise((resolve, reject) => {
      void busy.opened.then(resolve)
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  await scene.start('inventory', { handle })
  const shop = await scene.start('shop')
  const events = orders(['a', 'b'], 3)
  await Promise.all(events.map(event => shop.publish(event)))
  await scene.until('handlers run', () => scene.effects.of('a:1').length > 0 && scene.effects.of('b:1').length > 0)
  const first = scene.effects.of('a:1')[0]!
  const revoked = revoke(scene.topic, how)
  if (how === 'lost') await scene.until('the signal aborts', () => first.context.signal.aborted)
  busy.open()
  await revoked
  await scene.untilCompleted(events.map(label))
  assertEachOnce(scene.effects.completed(), events)
  if (how === 'drain') assert.equal(first.outcome, 'completed')
}
