import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { gate } from '../gate.ts'
import { label, names, orders, type Order } from '../orders.ts'
import type { Member, Scene } from '../scene.ts'
import { assertEachOnce, assertOrderByKey, orderByKey, rejectsWith } from './expectations.ts'

/** Taken for durable, so that nothing is held in memory by default. */
const durable = { capabilities: { durable: true } }
const atOnce = { retry: { maxAttempts: 1 } }

export const holding: CaseGroup = {
  name: 'holding',
  cases: [
    {
      name: 'parks later events of a key behind its dead one, in order, and lets other keys go on',
      capability: orderByKey,
      run: async scene => {
        const { inventory, events } = await parked(scene, 4)
        const { events: held } = await inventory.bus.held.list()
        const ofBad = held.filter(one => one.key === 'bad')
        assert.deepEqual(
          ofBad.map(one => one.state),
          ['dead', 'parked', 'parked', 'parked'],
        )
        assertOrderByKey(
          scene.effects.firstCompleted(),
          events.filter(event => event.orderId !== 'bad'),
        )
        assert.equal(scene.effects.of('bad:2').length, 0)
      },
    },
    {
      name: 'redrives a parked key in order, across a restart and with arrivals meanwhile',
      capability: orderByKey,
      run: async scene => {
        const { inventory, shop } = await parked(scene, 3)
        await inventory.close()
        await shop.publish({ orderId: 'bad', n: 4 })
        const flow = gate()
        const again = await scene.start('inventory', { handle: event => (event.n === 2 ? flow.opened : undefined) })
        await shop.publish({ orderId: 'bad', n: 5 })
        await heldOf(scene, again, 'bad', 5)
        assert.ok((await again.bus.held.redrive({ key: 'bad' })) > 0)
        await scene.until('the second event runs', () => scene.effects.of('bad:2').length > 0)
        await shop.publish({ orderId: 'bad', n: 6 })
        flow.open()
        const wanted = Array.from({ length: 6 }, (_, index): Order => ({ orderId: 'bad', n: index + 1 }))
        await scene.untilCompleted(wanted.map(label))
        await scene.until('the key is free again', () => again.heard('unparked').some(one => one.key === 'bad'))
        await shop.publish({ orderId: 'bad', n: 7 })
        await scene.untilCompleted(['bad:7'])
        await scene.untilSettled(again)
        const expected = [...wanted, { orderId: 'bad', n: 7 }]
        const completed = scene.effects.completed().filter(one => one.startsWith('bad:'))
        assertOrderByKey([...new Set(completed)], expected)
        assertEachOnce(completed, expected)
        assert.equal((await again.bus.held.list()).events.length, 0)
      },
    },
    {
      name: 'holds an event before it acknowledges it',
      run: async scene => {
        const flow = gate()
        const inventory = await scene.start('inventory', {
          subscription: atOnce,
          handle: () => assert.fail('always'),
          around: { hold: async (method, call) => (method === 'hold' ? flow.opened.then(call) : call()) },
        })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the attempt failed', () => inventory.heard('attempt-failed').length > 0)
        // Room for an acknowledgement that came too early.
        await shop.publish({ orderId: 'b', n: 1 })
        await scene.until('the other attempt failed', () => inventory.heard('attempt-failed').length > 1)
        assert.equal(acknowledged(inventory, receipt.id), false, 'acknowledged before the store had it')
        flow.open()
        await scene.until('it is acknowledged', () => acknowledged(inventory, receipt.id))
        assert.equal((await inventory.bus.held.list()).events.length, 2)
      },
    },
    {
      name: 'finds a held event again after a crash between holding and acknowledging',
      run: async scene => {
        const died = gate()
        const first = await scene.start('inventory', {
          subscription: atOnce,
          handle: () => assert.fail('always'),
          around: {
            hold: async (method, call) => {
              const result = await call()
              if (method === 'hold') died.open()
              return method === 'hold' ? new Promise(() => {}) : result
            },
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await died.opened
        await first.kill()
        const second = await scene.start('inventory', { subscription: atOnce, handle: () => {} })
        await shop.publish({ orderId: 'b', n: 1 })
        await scene.untilCompleted(['b:1'])
        await scene.until('the first event came again', () => second.driver.handed.length >= 2)
        await scene.untilSettled(second)
        const { events } = await second.bus.held.list()
        assert.deepEqual(
          events.map(one => one.state),
          ['dead'],
        )
        assert.equal(scene.effects.of('a:1').length, 1, 'a held event ran again without a redrive')
      },
    },
    {
      name: 'lets what waits behind a discarded event go on',
      capability: orderByKey,
      run: async scene => {
        const { inventory, shop } = await parked(scene, 3)
        const [dead] = (await inventory.bus.held.list({ state: 'dead' })).events
        const shown = await inventory.bus.held.show(dead!.scope.subscription, dead!.event)
        assert.equal(shown.state, 'dead')
        assert.equal(await inventory.bus.held.discard({ event: dead!.event }), 1)
        await scene.untilCompleted(['bad:2', 'bad:3'])
        await shop.publish({ orderId: 'bad', n: 4 })
        await scene.untilCompleted(['bad:4'])
        assert.deepEqual(
          scene.effects.firstCompleted().filter(one => one.startsWith('bad:')),
          ['bad:2', 'bad:3', 'bad:4'],
        )
        await rejectsWith(inventory.bus.held.show(dead!.scope.subscription, dead!.event), 'HELD_NOT_FOUND')
      },
    },
    {
      name: 'holds a redriven event that fails again in its place',
      capability: orderByKey,
      run: async scene => {
        const { inventory } = await parked(scene, 3)
        await inventory.bus.held.redrive({ key: 'bad' })
        await scene.until('it failed again', () => scene.effects.of('bad:1').length >= 2)
        const held = await heldOf(scene, inventory, 'bad', 3)
        assert.deepEqual(
          held.map(one => one.state),
          ['dead', 'parked', 'parked'],
        )
        assert.equal(scene.effects.of('bad:2').length, 0)
      },
    },
    {
      name: "goes on without a dead event where the subscription says onDead: 'continue'",
      run: async scene => {
        const inventory = await scene.start('inventory', {
          subscription: { ...atOnce, onDead: 'continue' },
          handle: event => (event.n === 2 ? assert.fail('always') : undefined),
        })
        const shop = await scene.start('shop')
        for (const n of [1, 2, 3]) await shop.publish({ orderId: 'a', n })
        await scene.untilCompleted(['a:1', 'a:3'])
        await scene.untilSettled(inventory)
        assert.equal((await inventory.bus.held.list({ state: 'dead' })).events.length, 1)
      },
    },
    {
      name: "keeps a key where it is where the subscription says onDead: 'stop', and other keys go on",
      capability: orderByKey,
      run: async scene => {
        const inventory = await scene.start('inventory', {
          subscription: { ...atOnce, onDead: 'stop' },
          handle: event => (event.orderId === 'bad' ? assert.fail('always') : undefined),
        })
        const shop = await scene.start('shop')
        const events = orders(['bad', 'good'], 3)
        const [receipt] = await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(['good:1', 'good:2', 'good:3'])
        await scene.until('the bad event failed', () => inventory.heard('attempt-failed').length > 0)
        assert.equal(scene.effects.of('bad:2').length, 0)
        assert.equal(acknowledged(inventory, receipt!.id), false)
        await inventory.close()
        await scene.start('inventory', { handle: () => {} })
        await scene.untilCompleted(['bad:1', 'bad:2', 'bad:3'])
        assertOrderByKey(scene.effects.firstCompleted(), events)
      },
    },
    {
      name: 'holds bytes that are no event as dead, with the original bytes, and goes on',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const body = Uint8Array.of(0x7b, 0x22, 0xff, 0x00, 0x01)
        await publishRaw(scene, shop, body)
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        await scene.untilSettled(inventory)
        await assertHeldAsDead(inventory, body, 'UNDECODABLE')
        assert.deepEqual(scene.effects.completed(), ['a:1'])
      },
    },
    {
      name: 'holds an event that its schema refuses as dead, with the original bytes, and goes on',
      run: async scene => {
        const inventory = await scene.start('inventory', { handle: () => {} })
        const shop = await scene.start('shop')
        const body = new TextEncoder().encode('{ "orderId": 7,  "n": 1 }')
        await publishRaw(scene, shop, body)
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        await scene.untilSettled(inventory)
        await assertHeldAsDead(inventory, body, 'INVALID_DATA')
      },
    },
    {
      name: 'sends a dead event to its dead-letter topic where there is no hold store, before it acknowledges it',
      run: async scene => {
        const inventory = await scene.start('inventory', {
          ...durable,
          bus: { hold: undefined },
          subscription: { ...atOnce, onDead: 'continue' },
          handle: event => (event.n === 1 ? assert.fail('always') : undefined),
        })
        const shop = await scene.start('shop', durable)
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await shop.publish({ orderId: 'a', n: 2 })
        const letter = await scene.until('a dead letter is sent', () => inventory.heard('dead-lettered')[0])
        await scene.untilCompleted(['a:2'])
        await scene.until('the event is acknowledged', () => acknowledged(inventory, receipt.id))
        const sent = inventory.driver.sent.find(message => message.headers['ce-id'] === receipt.id)
        assert.ok(sent !== undefined)
        assert.equal(sent.topic, letter.topic)
        assert.notEqual(letter.topic, scene.topic)
        const original = shop.driver.sent.find(message => message.headers['ce-id'] === receipt.id)
        assert.deepEqual(Buffer.from(sent.body), Buffer.from(original!.body))
        assert.match(letter.topic, scene.capabilities.topicName)
      },
    },
    {
      name: 'keeps a dead event unacknowledged until the broker has its dead letter',
      run: async scene => {
        let isBrokerBack = false
        const inventory = await scene.start('inventory', {
          ...durable,
          bus: { hold: undefined },
          subscription: { ...atOnce, onDead: 'continue' },
          handle: () => assert.fail('always'),
          publishFaults: () => (isBrokerBack ? undefined : 'not-stored'),
        })
        const shop = await scene.start('shop', durable)
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('a dead letter was refused twice', () => inventory.driver.sent.length >= 2)
        assert.equal(acknowledged(inventory, receipt.id), false, 'acknowledged before the dead letter was stored')
        isBrokerBack = true
        await scene.until('the event is acknowledged', () => acknowledged(inventory, receipt.id))
      },
    },
    {
      name: 'refuses to park keys without a hold store',
      run: scene =>
        refused(scene, {
          bus: { hold: undefined },
          subscription: { order: 'key', onDead: 'park', retry: { maxAttempts: 1 } },
        }),
    },
    {
      name: 'refuses delayed attempts that neither broker nor hold store can keep',
      run: scene => {
        const delayMs = scene.capabilities.redeliver.maxDelayMs + 60_000
        const retry = { maxAttempts: 5, immediate: 1, delayMs, maxDelayMs: delayMs }
        const order = scene.canOrder ? ('key' as const) : ('none' as const)
        return refused(scene, { bus: { hold: undefined }, subscription: { order, onDead: 'continue', retry } })
      },
    },
    {
      name: 'refuses a hold store that is less durable than its broker',
      run: scene => refused(scene, { bus: { hold: scene.hold } }),
    },
    {
      name: 'waits while the hold store is out of reach, and loses nothing',
      run: async scene => {
        let failures = 0
        const inventory = await scene.start('inventory', {
          subscription: atOnce,
          handle: event => (event.orderId === 'bad' ? assert.fail('always') : undefined),
          around: {
            hold: (method, call) =>
              method === 'hold' && failures++ < 3 ? Promise.reject(new Error('the store is away')) : call(),
          },
        })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'bad', n: 1 })
        await shop.publish({ orderId: 'good', n: 1 })
        await scene.untilCompleted(['good:1'])
        await scene.until('it is acknowledged', () => acknowledged(inventory, receipt.id))
        assert.ok(inventory.heard('store-unavailable').length >= 3)
        assert.equal((await inventory.bus.held.list({ state: 'dead' })).events.length, 1)
        if (scene.isCalm)
          assert.equal(scene.effects.of('bad:1').length, 1, 'an attempt was made because the store was away')
      },
    },
    {
      name: 'parks the tail of a key that fills the window, so that other keys go on while it runs',
      capability: orderByKey,
      run: async scene => {
        const busy = gate()
        const inventory = await scene.start('inventory', {
          bus: {
            topics: { [scene.topic]: { partitions: 1 } },
            consume: { window: 20, spillAfterMs: scene.ms(40) },
          },
          handle: event => (event.orderId === 'hot' ? busy.opened : undefined),
        })
        const shop = await scene.start('shop')
        const hot = orders(['hot'], 70)
        await Promise.all(hot.map(event => shop.publish(event)))
        await scene.until('the key runs', () => scene.effects.of('hot:1').length > 0)
        const others = orders(names('cool', 3), 2)
        await Promise.all(others.map(event => shop.publish(event)))
        await scene.untilCompleted(others.map(label))
        assert.deepEqual(
          scene.effects.completed().filter(one => one.startsWith('hot:')),
          [],
        )
        busy.open()
        await scene.untilCompleted(hot.map(label))
        assertOrderByKey(scene.effects.firstCompleted(), hot)
        assertEachOnce(scene.effects.completed(), [...hot, ...others])
        await scene.untilSettled(inventory)
        await scene.untilAsked('nothing is held', async () => (await inventory.bus.held.list()).events.length === 0)
      },
    },
    {
      name: 'holds a whole backlog behind one dead event while the rest of the topic flows',
      capability: orderByKey,
      run: async scene => {
        const { inventory, events } = await parked(scene, 12)
        const good = events.filter(event => event.orderId !== 'bad')
        assertEachOnce(scene.effects.completed(), good)
        assert.equal((await inventory.bus.held.list({ key: 'bad' })).events.length, 12)
      },
    },
  ],
}

/** A group whose handler fails the first event of order `bad`, and what was published: all of it completed or held. */
async function parked(
  scene: Scene,
  eventsOfEach: number,
): Promise<{ inventory: Member; shop: Member; events: Order[] }> {
  const inventory = await scene.start('inventory', {
    subscription: atOnce,
    handle: event => (event.orderId === 'bad' && event.n === 1 ? assert.fail('bad') : undefined),
  })
  const shop = await scene.start('shop')
  const events = orders(['bad', ...names('good', 3)], eventsOfEach)
  await Promise.all(events.map(event => shop.publish(event)))
  await scene.untilCompleted(events.filter(event => event.orderId !== 'bad').map(label))
  await heldOf(scene, inventory, 'bad', eventsOfEach)
  await scene.untilSettled(inventory)
  return { inventory, shop, events }
}

/** The held events of a key, as soon as there are so many and the first of them is at rest. */
async function heldOf(
  scene: Scene,
  member: Member,
  key: string,
  count: number,
): Promise<readonly { readonly state: string }[]> {
  const isHeld = async (): Promise<boolean> => (await member.bus.held.list({ key })).events.length >= count
  await scene.untilAsked(`${count} events of ${key} are held`, isHeld)
  return (await member.bus.held.list({ key })).events
}

function acknowledged(member: Member, id: string): boolean {
  return member.driver.handed.some(one => one.id === id && one.settlement?.is === 'acknowledge')
}

async function publishRaw(scene: Scene, shop: Member, body: Uint8Array): Promise<void> {
  const key = scene.canOrder ? 'raw' : undefined
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': 'raw-1',
    'ce-source': 'shop',
    'ce-type': 'order.created',
    ...(key !== undefined && { 'ce-partitionkey': key }),
    'content-type': 'application/json',
  }
  const event = { id: 'raw-1', type: 'order.created', topic: scene.topic, key, headers, body }
  const [result] = await shop.bus.forward([event])
  assert.equal(result?.is, 'published')
}

async function assertHeldAsDead(member: Member, body: Uint8Array, code: string): Promise<void> {
  const { events } = await member.bus.held.list()
  assert.equal(events.length, 1)
  assert.equal(events[0]!.state, 'dead')
  assert.equal(events[0]!.reason.code, code)
  assert.deepEqual(Buffer.from(events[0]!.message.body), Buffer.from(body), 'the original bytes were not kept')
}

async function refused(scene: Scene, options: Parameters<Scene['prepare']>[1]): Promise<void> {
  const member = await scene.prepare('inventory', { ...durable, handle: () => {}, ...options })
  await rejectsWith(member.bus.start(), 'CAPABILITY_MISSING', 'INVALID_CONFIGURATION')
}
