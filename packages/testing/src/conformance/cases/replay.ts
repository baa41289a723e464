import assert from 'node:assert/strict'
import type { CaseGroup, DeclaredCapability } from '../conformance-case.ts'
import { label, names, orders } from '../orders.ts'
import { assertEachOnce, assertOrderByKey, rejectsWith } from './expectations.ts'

const replayable: DeclaredCapability = {
  isDeclared: capabilities => capabilities.replay === 'time',
  isRefused: async scene => {
    const inventory = await scene.prepare('inventory', {
      handle: () => {},
      bus: { replay: { run: 'rebuild', from: 'earliest' } },
    })
    await rejectsWith(inventory.bus.start(), 'CAPABILITY_MISSING')
  },
}

export const replay: CaseGroup = {
  name: 'replay',
  cases: [
    {
      name: 'replays what is retained as a group of its own, in order, while the live group stays where it is',
      capability: replayable,
      run: async scene => {
        const live = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const events = orders(names('k', 4), 3)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label), { who: live.who })
        const rebuild = await scene.start('inventory', {
          handle: () => {},
          bus: { replay: { run: 'rebuild', from: 'earliest' } },
        })
        await scene.untilCompleted(events.map(label), { who: rebuild.who })
        assertEachOnce(scene.effects.completed({ who: rebuild.who }), events)
        if (scene.canOrder) assertOrderByKey(scene.effects.firstCompleted({ who: rebuild.who }), events)
        await shop.publish({ orderId: 'new', n: 1 })
        await scene.untilCompleted(['new:1'], { who: live.who })
        assertEachOnce(scene.effects.completed({ who: live.who }), [...events, { orderId: 'new', n: 1 }])
      },
    },
    {
      name: 'handles everything again in another run',
      capability: replayable,
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const events = orders(names('k', 3), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        for (const run of ['first', 'second']) {
          const member = await scene.start('inventory', {
            handle: () => {},
            bus: { replay: { run, from: 'earliest' } },
          })
          await scene.untilCompleted(events.map(label), { who: member.who })
          assertEachOnce(scene.effects.completed({ who: member.who }), events)
          await member.close()
        }
      },
    },
    {
      name: 'replays from a time: everything since, and nothing before',
      capability: replayable,
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        await Promise.all(orders(names('old', 3), 1).map(event => shop.publish(event)))
        const storedBy = Date.now()
        await scene.until('the clock moved on', () => (scene.journal.note('clock', 'asked'), Date.now() > storedBy + 1))
        const time = Date.now()
        const events = orders(names('new', 3), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        const rebuild = await scene.start('inventory', {
          handle: () => {},
          bus: { replay: { run: 'since', from: { time } } },
        })
        await scene.untilCompleted(events.map(label), { who: rebuild.who })
        await scene.untilSettled(rebuild)
        assertEachOnce(scene.effects.completed({ who: rebuild.who }), events)
        assert.ok(rebuild.driver.handed.length >= events.length)
      },
    },
  ],
}
