import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { gate } from '../gate.ts'
import { label, names, orders } from '../orders.ts'
import { assertEachOnce, rejectsWith } from './expectations.ts'

export const consuming: CaseGroup = {
  name: 'consuming',
  cases: [
    {
      name: 'gives every group every event',
      run: async scene => {
        const groups = ['inventory', 'payment', 'email']
        for (const group of groups) await scene.start(group, { handle: () => {} })
        const shop = await scene.start('shop')
        const events = orders(names('k', 5), 3)
        await Promise.all(events.map(event => shop.publish(event)))
        for (const group of groups) {
          await scene.untilCompleted(events.map(label), { who: `${group}-1` })
          assertEachOnce(scene.effects.completed({ who: `${group}-1` }), events)
        }
      },
    },
    {
      name: 'shares the work of a group among its members',
      run: async scene => {
        const members = [
          await scene.start('inventory', { handle: () => {} }),
          await scene.start('inventory', { handle: () => {} }),
        ]
        if (scene.capabilities.affinity === 'partition') {
          await scene.until('both members own something', () =>
            members.every(member => member.driver.assigned.size > 0),
          )
        }
        const shop = await scene.start('shop')
        const events = orders(names('k', 60), 2)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertEachOnce(scene.effects.completed(), events)
        if (scene.capabilities.affinity !== 'partition') return
        for (const { who } of members) assert.ok(scene.effects.completed({ who }).length > 0, `${who} had no work`)
      },
    },
    {
      name: 'delivers what was published while the group was away, and nothing twice that was settled',
      run: async scene => {
        const first = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const before = orders(names('k', 5), 1)
        const during = orders(names('k', 5), 2).slice(5)
        await Promise.all(before.map(event => shop.publish(event)))
        await scene.untilCompleted(before.map(label))
        await first.close()
        await Promise.all(during.map(event => shop.publish(event)))
        const second = await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(during.map(label))
        await scene.untilSettled(second)
        assertEachOnce(scene.effects.completed(), [...before, ...during])
        assertEachOnce(scene.effects.completed({ who: second.who }), during)
      },
    },
    {
      name: 'delivers again what a consumer was handling when it crashed',
      run: async scene => {
        const busy = gate()
        const first = await scene.start('inventory', {
          handle: order => (order.orderId === 'k-3' ? busy.opened : undefined),
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 5), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        const others = events.filter(event => event.orderId !== 'k-3').map(label)
        await scene.untilCompleted(others)
        await scene.until('the handler runs', () => scene.effects.of('k-3:1').length > 0)
        await first.kill()
        await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(['k-3:1'], { who: 'inventory-2' })
        busy.open()
        for (const one of others) assert.equal(scene.effects.of(one).length, 1, `${one} was completed, and ran again`)
      },
    },
    {
      name: 'keeps several subscriptions of a group apart: one that fails does not run the others again',
      run: async scene => {
        const handler = (who: string, does: () => void): ReturnType<typeof scene.effects.handler> =>
          scene.effects.handler(who, does)
        const inventory = await scene.start('inventory', {
          prepare: bus => {
            const fails = handler('inventory-1', () => assert.fail('always'))
            bus.subscribe(
              'order.created',
              handler('inventory-1', () => {}),
              { ...scene.subscription(), name: 'stock' },
            )
            bus.subscribe('order.created', fails, { ...scene.subscription(), name: 'audit' })
          },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 4), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label), { subscription: 'stock' })
        await scene.until(
          'every event is dead in the failing one',
          () => heldDead(inventory.heard('held')) === events.length,
        )
        await scene.untilSettled(inventory)
        assertEachOnce(scene.effects.completed({ subscription: 'stock' }), events)
        assert.equal(scene.effects.runs.filter(run => run.subscription === 'stock').length, events.length)
      },
    },
    {
      name: 'settles events of types that nobody in the group handles',
      run: async scene => {
        const inventory = await scene.start('inventory', {
          prepare: bus => bus.subscribe('order.created', scene.effects.handler('inventory-1')),
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        const ignored = await shop.publish({ orderId: 'a', n: 2 })
        await shop.publish({ orderId: 'b', n: 1 })
        await scene.untilCompleted(['a:1', 'b:1'])
        await scene.until('the ignored event arrived', () => inventory.driver.handed.some(one => one.id === ignored.id))
        await scene.untilSettled(inventory)
        assert.equal(scene.effects.of('a:2').length, 0)
      },
    },
    {
      name: 'begins to consume for a subscription that is added after start',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const topic = scene.harness.uniqueTopic('late')
        const late = await scene.prepare('email')
        await late.bus.start()
        late.bus.subscribe('order.created', scene.effects.handler(late.who), { name: 'late' })
        await scene.until(
          'the late subscription has joined',
          () => late.driver.assigned.size > 0 || (isQueue(scene.capabilities) && late.heard('consumer').length > 0),
        )
        const shop = await scene.start('shop')
        const events = orders(names('k', 3), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label), { who: late.who })
        await scene.untilCompleted(events.map(label), { who: inventory.who })
        assert.notEqual(topic, scene.topic)
      },
    },
    {
      name: 'bounds what it takes from a slow consumer, and goes on where it stopped',
      run: async scene => {
        const window = 20
        const flow = gate()
        const inventory = await scene.start('inventory', {
          handle: () => flow.opened,
          bus: { topics: { [scene.topic]: { partitions: 1 } }, consume: { window } },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 300), 1)
        await Promise.all(events.slice(0, 200).map(event => shop.publish(event)))
        await scene.until('the partition is paused, or prefetch holds back', () => {
          return inventory.driver.paused.size > 0 || inventory.driver.unsettled().length >= window
        })
        // A driver that hands over without bound has all the occasion to do so now.
        await Promise.all(events.slice(200).map(event => shop.publish(event)))
        const taken = inventory.driver.unsettled().length
        flow.open()
        await scene.untilCompleted(events.map(label))
        const partitions = new Set(inventory.driver.handed.map(one => one.message.partition)).size
        const bound = partitions * (2 * window + scene.capabilities.batch.entries)
        assert.ok(taken <= Math.min(bound, 250), `${taken} unsettled events were taken with a window of ${window}`)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'asks for the claims of everything that arrived together in one round trip',
      run: async scene => {
        let claims = 0
        await scene.start('inventory', {
          handle: () => {},
          around: {
            idempotency: (method, call) => {
              if (method === 'claim') claims++
              return call()
            },
          },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 200), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        const batches = Math.ceil(events.length / Math.min(10, scene.capabilities.batch.entries))
        assert.ok(
          claims <= events.length / 2 || batches > events.length / 2,
          `${claims} claims for ${events.length} events`,
        )
      },
    },
    {
      name: 'begins a new group at the end of the topic unless it asks for more',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'old', n: 1 })
        await scene.untilCompleted(['old:1'])
        const email = await scene.start('email', { handle: () => {}, bus: { from: 'latest' } })
        await scene.until(
          'the new group is assigned',
          () => email.driver.assigned.size > 0 || isQueue(scene.capabilities),
        )
        await shop.publish({ orderId: 'new', n: 1 })
        await scene.untilCompleted(['new:1'], { who: email.who })
        assert.deepEqual(scene.effects.completed({ who: email.who }), ['new:1'])
      },
    },
    {
      name: 'refuses a second subscription of one name',
      run: async scene => {
        const inventory = await scene.prepare('inventory')
        const subscribeTwice = async (): Promise<void> => {
          inventory.bus.subscribe('order.created', () => {}, { name: 'stock' })
          inventory.bus.subscribe('order.created', () => {}, { name: 'stock' })
          await inventory.bus.start()
        }
        await rejectsWith(subscribeTwice(), 'INVALID_CONFIGURATION')
      },
    },
  ],
}

function heldDead(held: readonly { readonly state: string }[]): number {
  return held.filter(one => one.state === 'dead').length
}

/** Activity moves without notice there: a queue is assigned by its first delivery. */
function isQueue(capabilities: { readonly affinity: string }): boolean {
  return capabilities.affinity !== 'partition'
}
