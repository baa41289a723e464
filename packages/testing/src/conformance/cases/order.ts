import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { gate, type Gate } from '../gate.ts'
import { label, names, orders } from '../orders.ts'
import type { Scene } from '../scene.ts'
import { assertEachOnce, assertOrderByKey, orderByKey } from './expectations.ts'

export const order: CaseGroup = {
  name: 'order',
  cases: [
    {
      name: 'keeps order by key while handlers of other keys finish in any order',
      capability: orderByKey,
      run: async scene => {
        await scene.start('inventory', { handle: () => turns(scene, scene.random.below(4)) })
        const shop = await scene.start('shop')
        const events = orders(names('k', 8), 8)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), events)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'never runs two events of a key at once',
      capability: orderByKey,
      run: async scene => {
        const running = new Set<string>()
        await scene.start('inventory', {
          handle: async ({ orderId }) => {
            assert.ok(!running.has(orderId), `${orderId} runs twice at once`)
            running.add(orderId)
            await turns(scene, 2)
            running.delete(orderId)
          },
          subscription: { retry: { maxAttempts: 1 } },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 4), 6)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assert.equal(scene.effects.runs.filter(run => run.outcome === 'failed').length, 0)
      },
    },
    {
      name: 'runs different keys at once, also of one partition',
      capability: orderByKey,
      run: async scene => {
        const met = new Map<string, Gate>(['a', 'b', 'c'].map(orderId => [orderId, gate()]))
        await scene.start('inventory', {
          bus: { topics: { [scene.topic]: { partitions: 1 } } },
          handle: async ({ orderId }) => {
            met.get(orderId)!.open()
            for (const one of met.values()) await one.opened
          },
        })
        const shop = await scene.start('shop')
        const events = orders(['a', 'b', 'c'], 2)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), events)
      },
    },
    {
      name: 'runs no more handlers of a subscription at once than its concurrency',
      run: async scene => {
        let running = 0
        let most = 0
        await scene.start('inventory', {
          subscription: { concurrency: 3 },
          handle: async () => {
            most = Math.max(most, ++running)
            await turns(scene, 2)
            running--
          },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 30), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assert.ok(most <= 3, `${most} handlers ran at once`)
        assert.ok(most > 1, 'only one handler ran at a time')
      },
    },
    {
      name: 'keeps order by key across the retries of a failing event',
      capability: orderByKey,
      run: async scene => {
        await scene.start('inventory', {
          handle: (event, { attempt }) => {
            if (event.n === 2 && attempt < 3) throw new Error('not yet')
          },
        })
        const shop = await scene.start('shop')
        const events = orders(['a', 'b', 'c'], 4)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), events)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'keeps order by key when members join and leave',
      capability: orderByKey,
      run: async scene => {
        const handle = (): Promise<void> => turns(scene, 1)
        const first = await scene.start('inventory', { handle })
        const shop = await scene.start('shop')
        const events = orders(names('k', 10), 9)
        const publish = (from: number, to: number): Promise<unknown> =>
          Promise.all(events.slice(from, to).map(event => shop.publish(event)))
        await publish(0, 30)
        await scene.start('inventory', { handle })
        await publish(30, 60)
        await first.close()
        await publish(60, 90)
        await scene.untilCompleted(events.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), events)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'keeps order by key when a member crashes',
      capability: orderByKey,
      run: async scene => {
        const handle = (): Promise<void> => turns(scene, 1)
        const first = await scene.start('inventory', { handle })
        await scene.start('inventory', { handle })
        const shop = await scene.start('shop')
        const events = orders(names('k', 10), 8)
        await Promise.all(events.slice(0, 40).map(event => shop.publish(event)))
        await scene.until(
          'the first member did something',
          () => scene.effects.completed({ who: first.who }).length > 0 || isIdle(scene, events.slice(0, 40).map(label)),
        )
        await first.kill()
        await Promise.all(events.slice(40).map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), events)
      },
    },
    {
      name: "lets a key's events run at once on a subscription without order",
      run: async scene => {
        const both = [gate(), gate()]
        // Such a broker locks the key itself while one of it is unsettled.
        const isLocked = scene.capabilities.affinity === 'in-flight'
        await scene.start('inventory', {
          subscription: { order: 'none' },
          handle: async event => {
            both[event.n - 1]!.open()
            if (isLocked) return
            for (const one of both) await one.opened
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await shop.publish({ orderId: 'a', n: 2 })
        await scene.untilCompleted(['a:1', 'a:2'])
      },
    },
    {
      name: 'refuses order by key where the broker keeps no key with one consumer',
      run: async scene => {
        if (!scene.canOrder) return orderByKey.isRefused(scene)
        const inventory = await scene.start('inventory', { handle: () => {}, subscription: { order: 'key' } })
        assert.equal(inventory.bus.health().status, 'ok')
      },
    },
  ],
}

/** Lets others run, so that what may overlap does. */
async function turns(scene: Scene, count: number): Promise<void> {
  for (let turn = 0; turn <= count; turn++) await new Promise(resolve => setImmediate(resolve))
  scene.journal.note('handler', `took ${count} turns`)
}

function isIdle(scene: Scene, labels: readonly string[]): boolean {
  const completed = new Set(scene.effects.completed())
  return labels.every(one => completed.has(one))
}
