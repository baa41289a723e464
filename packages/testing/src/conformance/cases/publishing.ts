import assert from 'node:assert/strict'
import { isMekongError, type PublishResult } from '@mekong/core'
import type { CaseGroup } from '../conformance-case.ts'
import { label, names, orders } from '../orders.ts'
import type { Scene } from '../scene.ts'
import { assertCode, assertEachOnce, assertOrderByKey, orderByKey, rejectsWith } from './expectations.ts'

const text = new TextEncoder()
/** What the bus leaves free below the broker's limit, so that a dead letter with its headers still fits. */
const HEADROOM_BYTES = 16 * 1024
/** A broker that takes more is not filled to its limit. */
const BIG_ENOUGH_BYTES = 4 * 1024 * 1024

export const publishing: CaseGroup = {
  name: 'publishing',
  cases: [
    {
      name: 'resolves a publish when the broker stores the event, and delivers it as it was published',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const more = { pence: 1250, text: 'Größe 日本語 🎁', none: null, list: [1, [2]], quotes: '"\\' }
        const receipt = await shop.publish({ orderId: 'a', n: 1, more })
        assert.equal(receipt.topic, scene.topic)
        const stored = await scene.harness.peek?.(scene.topic)
        if (stored !== undefined) assert.ok(stored.length >= 1, 'the publish resolved, and the broker stores nothing')
        await scene.untilCompleted(['a:1'])
        const [run] = scene.effects.of('a:1')
        assert.deepEqual(run!.order.more, more)
        assert.equal(run!.context.id, receipt.id)
        assert.equal(run!.context.type, 'order.created')
        assert.equal(run!.context.source, 'shop')
        assert.equal(run!.context.key, scene.canOrder ? 'a' : undefined)
        assert.equal(run!.context.correlationId, receipt.id)
        assert.ok(Math.abs(Date.parse(run!.context.time!) - Date.now()) < 60_000, 'the time of the event is not now')
      },
    },
    {
      name: 'keeps application headers, many and in any script',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const many = Object.fromEntries(names('x-header', 20).map(name => [name, `value of ${name}`]))
        const headers = { ...many, tenant: 'acme', empty: '', city: 'Zürich 東京', quoted: '"a", b; c=d' }
        await shop.publish({ orderId: 'a', n: 1 }, { headers: { ...headers, 'X-Upper': 'Kept' } })
        await scene.untilCompleted(['a:1'])
        assert.deepEqual({ ...scene.effects.of('a:1')[0]!.context.headers }, { ...headers, 'x-upper': 'Kept' })
      },
    },
    {
      name: 'carries empty and binary bodies byte for byte',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const bodies = [
          new Uint8Array(0),
          scene.random.bytes(1),
          scene.random.bytes(3000),
          Uint8Array.of(0, 255, 10, 13),
        ]
        await forward(scene, shop.bus, bodies, 'application/octet-stream')
        const arrived = await scene.until('all bodies were handed over', () => {
          const byId = new Map(inventory.driver.handed.map(one => [one.id, one.message.body]))
          return bodies.every((_, index) => byId.has(`body-${index}`)) && byId
        })
        for (const [index, body] of bodies.entries()) {
          assert.deepEqual(Buffer.from(arrived.get(`body-${index}`)!), Buffer.from(body), `body ${index} was changed`)
        }
      },
    },
    {
      name: 'delivers an event as big as the limit allows, and refuses a bigger one at once',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const limit = scene.capabilities.maxBytes - HEADROOM_BYTES
        const more = 'x'.repeat(Math.min(limit - 2048, BIG_ENOUGH_BYTES))
        await shop.publish({ orderId: 'big', n: 1, more })
        await scene.untilCompleted(['big:1'])
        assert.equal(scene.effects.of('big:1')[0]!.order.more, more)
        if (limit > BIG_ENOUGH_BYTES * 16) return
        await rejectsWith(shop.publish({ orderId: 'huge', n: 1, more: 'x'.repeat(limit) }), 'EVENT_TOO_LARGE')
      },
    },
    {
      name: 'answers publishMany by index, one bad event beside good ones',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const results = await shop.bus.publishMany([
          { type: 'order.created', data: { orderId: 'a', n: 1 } },
          { type: 'order.created', data: { not: 'an order' } as never },
          { type: 'order.created', data: { orderId: 'b', n: 1 } },
        ])
        assert.deepEqual(
          results.map(result => result.is),
          ['published', 'failed', 'published'],
        )
        const [, failed] = results
        assert.ok(failed?.is === 'failed')
        assertCode(failed.error, 'INVALID_DATA')
        await scene.untilCompleted(['a:1', 'b:1'])
      },
    },
    {
      name: 'sends again what was not stored of a batch, and not what was',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const failing = new Set(['k-2', 'k-5', 'k-8'])
        const shop = await scene.start('shop', {
          publishFaults: (message, sends) =>
            sends === 0 && failing.has(orderIdOf(message.body)) ? 'not-stored' : undefined,
        })
        const events = orders(names('k', 9), 1)
        const receipts = await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        assertEachOnce(scene.effects.completed(), events)
        const sends = receipts.map(receipt => shop.driver.sends(receipt.id))
        if (scene.isCalm)
          assert.deepEqual(
            sends,
            events.map(event => (failing.has(event.orderId) ? 2 : 1)),
          )
      },
    },
    {
      name: 'rejects the one event that the broker refuses for good, and stores its neighbours',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop', {
          publishFaults: message => (orderIdOf(message.body) === 'k-2' ? 'refused' : undefined),
        })
        const results = await Promise.allSettled(orders(names('k', 4), 1).map(event => shop.publish(event)))
        assert.deepEqual(
          results.map(one => one.status),
          ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
        )
        assertCode((results[1] as PromiseRejectedResult).reason, 'PUBLISH_REFUSED')
        await scene.untilCompleted(['k-1:1', 'k-3:1', 'k-4:1'])
        assert.equal(scene.effects.of('k-2:1').length, 0)
      },
    },
    {
      name: 'lets later events of a key wait while the fate of one is unknown, and other keys pass',
      capability: orderByKey,
      run: scene => unknownFate(scene, 'unknown-lost'),
    },
    {
      name: 'keeps order by key when an event of unknown fate was stored after all',
      capability: orderByKey,
      run: scene => unknownFate(scene, 'unknown-stored'),
    },
    {
      name: 'keeps order by key when an event of unknown fate lands late',
      capability: orderByKey,
      run: scene => unknownFate(scene, 'unknown-late'),
    },
    {
      name: 'says PUBLISH_UNKNOWN at the deadline, and PUBLISH_NOT_SENT for what waited behind it',
      capability: orderByKey,
      run: async scene => {
        const shop = await scene.start('shop', {
          bus: { publish: { timeoutMs: scene.ms(250) } },
          publishFaults: message => (orderIdOf(message.body) === 'a' ? 'unknown-lost' : undefined),
        })
        const first = shop.publish({ orderId: 'a', n: 1 })
        const second = shop.publish({ orderId: 'a', n: 2 })
        await Promise.all([
          rejectsWith(first, 'PUBLISH_UNKNOWN'),
          // Once the first was given up, the second may have been sent itself; its fate is then as unknown.
          scene.capabilities.sameKeyBatch === 'apart'
            ? rejectsWith(second, 'PUBLISH_NOT_SENT')
            : rejectsWith(second, 'PUBLISH_NOT_SENT', 'PUBLISH_UNKNOWN'),
          shop.publish({ orderId: 'b', n: 1 }),
        ])
      },
    },
    {
      name: 'makes one event of two publishes with one idempotency key',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const first = await shop.publish({ orderId: 'a', n: 1 }, { idempotencyKey: 'checkout-7' })
        const second = await shop.publish({ orderId: 'a', n: 1 }, { idempotencyKey: 'checkout-7' })
        assert.equal(first.id, second.id)
        await shop.publish({ orderId: 'a', n: 2 })
        await scene.untilCompleted(['a:1', 'a:2'])
        await scene.until(
          'both copies arrived',
          () => inventory.driver.handed.filter(one => one.id === first.id).length >= 2,
        )
        await scene.untilSettled(inventory)
        assert.deepEqual(scene.effects.completed().toSorted(), ['a:1', 'a:2'])
      },
    },
    {
      name: 'delivers a delayed publish no earlier than it is due, from the schedule where the broker has no delay',
      run: async scene => {
        const delayMs = scene.ms(300)
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop', { bus: { schedule: scene.schedule } })
        const publishedAt = performance.now()
        await shop.publish({ orderId: 'late', n: 1 }, { delayMs })
        await shop.publish({ orderId: 'prompt', n: 1 })
        await scene.untilCompleted(['late:1', 'prompt:1'])
        const waitedMs = scene.effects.of('late:1')[0]!.startedAt - publishedAt
        // Timers may fire a millisecond early.
        assert.ok(waitedMs >= delayMs - 2, `delivered after ${waitedMs} ms instead of ${delayMs}`)
        assert.deepEqual(scene.effects.firstCompleted(), ['prompt:1', 'late:1'])
      },
    },
    {
      name: 'refuses a delay that the broker cannot keep where there is no schedule',
      run: async scene => {
        const shop = await scene.start('shop')
        const delayMs = scene.capabilities.publishDelayMs + 1
        await rejectsWith(shop.publish({ orderId: 'a', n: 1 }, { delayMs }), 'CAPABILITY_MISSING')
      },
    },
    {
      name: 'carries correlation and causation on, and publishes the same events again when a handler runs again',
      run: async scene => {
        await scene.start('payment', { handle: () => {} })
        await scene.start('inventory', {
          handle: async (order, context) => {
            if (order.orderId !== 'a') return
            await context.publish('order.changed', { orderId: 'b', n: 1 })
            if (context.attempt === 1) throw new Error('after the publish')
          },
        })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'a', n: 1 }, { correlationId: 'session-9' })
        const payment = { who: 'payment-1' }
        await scene.untilCompleted(['a:1', 'b:1'], payment)
        await scene.untilCompleted(['a:1'], { who: 'inventory-1' })
        await shop.publish({ orderId: 'b', n: 2 })
        await scene.untilCompleted(['b:2'], payment)
        const effect = scene.effects.of('b:1').filter(run => run.who === 'payment-1')
        assert.equal(effect.length, 1, 'the second attempt published another event')
        assert.equal(effect[0]!.context.correlationId, 'session-9')
        assert.equal(effect[0]!.context.causationId, receipt.id)
      },
    },
    {
      name: 'answers a publish until settled only when every group has completed the event, where the broker is not durable',
      capability: {
        isDeclared: capabilities => !capabilities.durable,
        // A durable broker keeps what it stored: stored is all that a relay needs.
        isRefused: async scene => {
          const shop = await scene.start('shop')
          assert.equal(shop.bus.isDurable(scene.topic), true)
        },
      },
      run: async scene => {
        let hasCompleted = false
        await scene.start('inventory', {
          handle: async () => {
            await scene.until(
              'the publish is on its way',
              () => scene.effects.completed({ who: 'payment-1' }).length > 0,
            )
            hasCompleted = true
          },
        })
        await scene.start('payment', { handle: () => {} })
        const shop = await scene.start('shop')
        assert.equal(shop.bus.isDurable(scene.topic), false)
        const event = preparedOrder(scene, 'a')
        // As a relay does: what may or may not be stored is forwarded again.
        let [result] = await shop.bus.forward([event], { until: 'settled' })
        for (let tries = 1; tries < 5 && isUnknown(result); tries++) {
          ;[result] = await shop.bus.forward([event], { until: 'settled' })
        }
        assert.equal(result?.is, 'published')
        assert.ok(hasCompleted, 'the publish was answered before every group had completed the event')
      },
    },
    {
      name: 'refuses to publish once it is closed',
      run: async scene => {
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await shop.close()
        await rejectsWith(shop.publish({ orderId: 'a', n: 2 }), 'BUS_CLOSED')
      },
    },
    {
      name: 'sends what it accepted before it closes',
      run: async scene => {
        await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const events = orders(names('k', 10), 1)
        const published = events.map(event => shop.publish(event))
        const [closed, ...results] = await Promise.allSettled([shop.close(), ...published])
        assert.equal(closed.status, 'fulfilled')
        assert.deepEqual(
          results.map(one => one.status),
          events.map(() => 'fulfilled'),
        )
        await scene.untilCompleted(events.map(label))
      },
    },
  ],
}

async function unknownFate(scene: Scene, fault: 'unknown-lost' | 'unknown-stored' | 'unknown-late'): Promise<void> {
  await scene.start('inventory', { handle: () => {} })
  const shop = await scene.start('shop', {
    publishFaults: (message, sends) =>
      sends === 0 && orderIdOf(message.body) === 'a' && nOf(message.body) === 2 ? fault : undefined,
  })
  const events = orders(['a', 'b'], 4)
  await Promise.all(events.map(event => shop.publish(event)))
  await scene.untilCompleted(events.map(label))
  const [uncertain] = scene.effects.of('a:2')
  assert.ok(shop.driver.sends(uncertain!.context.id) >= 2, 'the event of unknown fate was not sent again')
  assertOrderByKey(scene.effects.firstCompleted(), events)
  assertEachOnce(scene.effects.completed(), events)
}

async function forward(
  scene: Scene,
  bus: Awaited<ReturnType<Scene['start']>>['bus'],
  bodies: readonly Uint8Array[],
  contentType: string,
): Promise<void> {
  const results = await bus.forward(
    bodies.map((body, index) => {
      const id = `body-${index}`
      return { ...preparedOrder(scene, id), id, headers: envelope(scene, id, contentType), body }
    }),
  )
  assert.deepEqual(
    results.map(result => result.is),
    bodies.map(() => 'published'),
  )
}

function preparedOrder(
  scene: Scene,
  orderId: string,
): Parameters<Awaited<ReturnType<Scene['start']>>['bus']['forward']>[0][0] {
  const body = text.encode(JSON.stringify({ orderId, n: 1 }))
  const key = scene.canOrder ? orderId : undefined
  const headers = envelope(scene, orderId, 'application/json')
  return { id: orderId, type: 'order.created', topic: scene.topic, key, headers, body }
}

function envelope(scene: Scene, id: string, contentType: string): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': 'shop',
    'ce-type': 'order.created',
    'ce-time': new Date().toISOString(),
    ...(scene.canOrder && { 'ce-partitionkey': id }),
    'content-type': contentType,
  }
}

function orderIdOf(body: Uint8Array): string {
  return (JSON.parse(new TextDecoder().decode(body)) as { orderId: string }).orderId
}

function nOf(body: Uint8Array): number {
  return (JSON.parse(new TextDecoder().decode(body)) as { n: number }).n
}

function isUnknown(result: PublishResult | undefined): boolean {
  return result?.is === 'failed' && isMekongError(result.error) && result.error.code === 'PUBLISH_UNKNOWN'
}
