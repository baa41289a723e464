import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { gate } from '../gate.ts'
import { label, names, orders } from '../orders.ts'
import type { Member } from '../scene.ts'
import { assertEachOnce, rejectsWith } from './expectations.ts'

export const idempotency: CaseGroup = {
  name: 'idempotency',
  cases: [
    {
      name: 'handles one event once, however often it is stored',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const events = orders(names('k', 5), 2)
        for (let copy = 0; copy < 3; copy++) {
          await Promise.all(events.map(event => shop.publish(event, { id: label(event) })))
        }
        await scene.until('every copy arrived', () => inventory.driver.handed.length >= events.length * 3)
        await scene.untilSettled(inventory)
        await scene.untilCompleted(events.map(label))
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'takes an event that arrives again while it runs for the one that runs',
      run: async scene => {
        const busy = gate()
        const inventory = await scene.start('inventory', { handle: () => busy.opened })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the handler runs', () => scene.effects.of('a:1').length > 0)
        inventory.driver.handOverAgain(one => one.id === receipt.id)
        await scene.until('it arrived again', () => arrivals(inventory, receipt.id) >= 2)
        await shop.publish({ orderId: 'b', n: 1 })
        await scene.until('what came after it runs', () => scene.effects.of('b:1').length > 0)
        assert.equal(scene.effects.of('a:1').length, 1, 'it ran beside itself')
        busy.open()
        await scene.untilCompleted(['a:1', 'b:1'])
        await scene.untilSettled(inventory)
        assert.equal(scene.effects.of('a:1').length, 1)
        const last = inventory.driver.handed.filter(one => one.id === receipt.id).at(-1)
        assert.equal(last?.settlement?.is, 'acknowledge', 'the second handle was not settled')
      },
    },
    {
      name: 'does nothing twice after a crash between completing and acknowledging',
      run: async scene => {
        const completed = gate()
        const first = await scene.start('inventory', {
          handle: () => {},
          around: {
            idempotency: async (method, call) => {
              const result = await call()
              if (method !== 'complete') return result
              completed.open()
              return new Promise(() => {})
            },
          },
        })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await completed.opened
        await first.kill()
        const second = await scene.start('inventory', { handle: () => {} })
        await scene.until('it was delivered again', () => arrivals(second, receipt.id) > 0)
        await scene.untilSettled(second)
        assert.equal(scene.effects.of('a:1').length, 1, 'a completed event ran again')
      },
    },
    {
      name: 'runs again after a crash between the effect and completing, with a higher fence',
      run: async scene => {
        const asked = gate()
        const first = await scene.start('inventory', {
          handle: () => {},
          around: {
            idempotency: (method, call) => {
              if (method !== 'complete') return call()
              asked.open()
              return new Promise(() => {})
            },
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await asked.opened
        await first.kill()
        const second = await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(['a:1'], { who: second.who })
        await scene.untilSettled(second)
        const runs = scene.effects.of('a:1')
        assert.ok(runs.at(-1)!.context.fence > runs[0]!.context.fence, 'the fence did not grow')
      },
    },
    {
      name: 'fences a zombie that finishes after another consumer took its event over',
      run: async scene => {
        const busy = gate()
        const zombie = await scene.start('inventory', { handle: () => busy.opened })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the handler runs', () => scene.effects.of('a:1').length > 0)
        zombie.life.pause()
        await zombie.driver.drop()
        const owner = await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(['a:1'], { who: owner.who })
        await scene.untilSettled(owner)
        zombie.life.resume()
        busy.open()
        await scene.until('the zombie is fenced', () => zombie.heard('fenced').length > 0)
        assert.equal(zombie.heard('completed').length, 0, 'the zombie completed what was not its own any more')
        assert.equal(owner.heard('completed').length, 1)
        const fences = scene.effects.of('a:1').map(run => run.context.fence)
        assert.ok(fences.at(-1)! > fences[0]!, `the fences are ${fences.join(', ')}`)
      },
    },
    {
      name: 'keeps a claim alive for as long as its handler runs',
      run: async scene => {
        const busy = gate()
        let extensions = 0
        const inventory = await scene.start('inventory', {
          bus: { consume: { leaseMs: scene.ms(150) } },
          handle: () => busy.opened,
          around: {
            idempotency: (method, call) => {
              if (method === 'extend') extensions++
              return call()
            },
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the claim was extended for longer than its lease', () => extensions >= 4)
        busy.open()
        await scene.untilCompleted(['a:1'])
        await scene.untilSettled(inventory)
        assert.equal(inventory.heard('fenced').length, 0)
        assert.equal(scene.effects.of('a:1').length, 1)
      },
    },
    {
      name: 'waits while the idempotency store is out of reach, without an attempt and without a loss',
      run: async scene => {
        let failures = 0
        const inventory = await scene.start('inventory', {
          handle: () => {},
          around: {
            idempotency: (method, call) =>
              method === 'claim' && failures++ < 3 ? Promise.reject(new Error('the store is away')) : call(),
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        await scene.untilSettled(inventory)
        assert.ok(inventory.heard('store-unavailable').some(one => one.store === 'idempotency'))
        assert.equal(scene.effects.of('a:1')[0]!.context.attempt, 1)
        if (scene.isCalm) assert.equal(scene.effects.of('a:1').length, 1)
      },
    },
    {
      name: 'loses nothing when the reply of a claim or of a completion is lost',
      run: async scene => {
        const lost = new Set<string>()
        const inventory = await scene.start('inventory', {
          handle: () => {},
          around: {
            idempotency: async (method, call) => {
              const result = await call()
              if ((method === 'claim' || method === 'complete') && !lost.has(method)) {
                lost.add(method)
                throw new Error(`the reply of ${method} was lost`)
              }
              return result
            },
          },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 4), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        await scene.untilSettled(inventory)
        assertEachOnce(scene.effects.completed(), events)
      },
    },
    {
      name: 'refuses several subscriptions on a topic of a durable broker without a durable store, unless best effort is accepted',
      run: async scene => {
        const subscribed = (isolation?: 'best-effort'): Promise<Member> =>
          scene.prepare('inventory', {
            capabilities: { durable: true },
            prepare: bus => {
              bus.subscribe('order.created', () => {}, { name: 'stock' })
              bus.subscribe('order.created', () => {}, { name: 'audit' })
            },
            bus: { idempotency: scene.idempotency, ...(isolation !== undefined && { isolation }) },
          })
        await rejectsWith((await subscribed()).bus.start(), 'CAPABILITY_MISSING', 'INVALID_CONFIGURATION')
        await (await subscribed('best-effort')).bus.start()
      },
    },
  ],
}

function arrivals(member: Member, id: string): number {
  return member.driver.handed.filter(one => one.id === id).length
}
