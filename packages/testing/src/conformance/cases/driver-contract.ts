import assert from 'node:assert/strict'
import type { Consumer, Driver, Incoming, Outgoing, Partition, Sink } from '@mekong/core/driver'
import type { CaseGroup } from '../conformance-case.ts'
import type { Scene } from '../scene.ts'

/** What the bus relies on and seldom meets: asked of the driver itself. */
export const driverContract: CaseGroup = {
  name: 'driver contract',
  cases: [
    {
      name: 'declares capabilities that make sense together',
      run: async ({ capabilities }) => {
        const { redeliver, batch, maxBytes, maxUnsettledMs, publishDelayMs } = capabilities
        for (const [name, value] of Object.entries({ ...batch, maxBytes, maxUnsettledMs })) {
          assert.ok(value > 0, `${name} is ${value}`)
        }
        for (const value of [redeliver.maxDelayMs, publishDelayMs]) assert.ok(value >= 0)
        assert.ok(maxBytes > 32 * 1024, 'maxBytes leaves no room beside the 16 KiB that dead letters need')
        assert.ok(!capabilities.topicName.global, 'a global regular expression remembers where it stopped')
        assert.ok(!capabilities.topicName.test(''), 'an empty topic name is allowed')
      },
    },
    {
      name: 'writes nothing when it verifies, and finds no difference after it created',
      run: async scene => {
        const driver = await scene.rawDriver()
        const wish = {
          topics: [{ name: scene.topic, ordered: scene.canOrder, partitions: undefined, retentionMs: undefined }],
          groups: [{ name: 'inventory', topics: [scene.topic] }],
        }
        const missing = await driver.topology(wish, 'verify')
        assert.ok(missing.length > 0, 'a topic that nobody created is not missed')
        assert.deepEqual(await driver.topology(wish, 'verify'), missing)
        assert.deepEqual(await driver.topology(wish, 'create'), [])
        assert.deepEqual(await driver.topology(wish, 'verify'), [])
      },
    },
    {
      name: 'answers a publish after close with a fate',
      run: async scene => {
        const driver = await scene.rawDriver()
        await driver.close()
        const [fate] = await driver.publish([outgoing(scene, 'a')], scene.ms(1000))
        assert.equal(fate?.is, 'not-stored')
        assert.equal(driver.classify(fate.error), 'closed')
      },
    },
    {
      name: 'names the place of a key always in the same way',
      run: async scene => {
        const driver = await scene.rawDriver()
        assert.equal(driver.partitionOf(outgoing(scene, 'a')), driver.partitionOf(outgoing(scene, 'a')))
      },
    },
    {
      name: 'takes every error for something',
      run: async scene => {
        const driver = await scene.rawDriver()
        const classes = ['transient', 'throttled', 'too-large', 'illegal', 'refused', 'closed']
        for (const error of [new Error('any'), undefined, 'text', { code: 7 }]) {
          assert.ok(classes.includes(driver.classify(error)))
        }
      },
    },
    {
      name: 'hands over nothing before assigned resolves, and nothing after close',
      run: async scene => {
        await publish(scene, await declared(scene, 'inventory'), ['a'])
        const probe = await consume(scene)
        const [message] = await probe.received(1)
        probe.consumer.settle([message!], { is: 'acknowledge', durable: true })
        await probe.consumer.close()
        const before = probe.messages.length
        await publish(scene, probe.driver, ['b', 'c'])
        const other = await consume(scene, 'email')
        await publish(scene, other.driver, ['d'])
        await other.received(1)
        assert.equal(probe.messages.length, before, 'messages came after close')
        assert.deepEqual(probe.faults, [])
      },
    },
    {
      name: 'gives back on close what was not settled, and nothing that was',
      run: async scene => {
        const first = await consume(scene)
        await publish(scene, first.driver, ['a', 'b', 'c'])
        const messages = await first.received(3)
        const settled = messages.find(message => bodyText(message) === 'a')
        first.consumer.settle([settled!], { is: 'acknowledge', durable: true })
        await first.consumer.close()
        const second = await consume(scene)
        await second.received(2)
        await publish(scene, second.driver, ['d'])
        await second.received(3)
        if (!scene.isCalm) return
        const again = new Set(second.messages.map(bodyText))
        assert.ok(['b', 'c', 'd'].every(body => again.has(body)))
        // A broker that cannot skip may deliver what was settled behind an unsettled one again; the first is never that.
        if (messages[0] === settled || scene.capabilities.affinity !== 'partition')
          assert.ok(!again.has('a'), 'a settled message came again')
      },
    },
    {
      name: 'lets the first settlement of a message win',
      run: async scene => {
        const probe = await consume(scene)
        await publish(scene, probe.driver, ['a'])
        const [message] = await probe.received(1)
        probe.consumer.settle([message!], { is: 'acknowledge', durable: true })
        probe.consumer.settle([message!], { is: 'redeliver', afterMs: 0, tried: true })
        await publish(scene, probe.driver, ['b'])
        await scene.until('the next message came', () => probe.messages.some(one => bodyText(one) === 'b'))
        if (scene.isCalm) assert.equal(probe.messages.filter(one => bodyText(one) === 'a').length, 1)
      },
    },
    {
      name: 'redelivers a message when it is told to, after its delay where it declares one',
      run: async scene => {
        const { redeliver } = scene.capabilities
        const probe = await consume(scene)
        await publish(scene, probe.driver, ['a'])
        const [message] = await probe.received(1)
        const afterMs = Math.min(redeliver.maxDelayMs, scene.ms(80))
        const askedAt = performance.now()
        probe.consumer.settle([message!], { is: 'redeliver', afterMs, tried: false })
        const again = await scene.until('it came again', () => probe.messages.filter(one => bodyText(one) === 'a')[1])
        const waitedMs = performance.now() - askedAt
        if (scene.isCalm) assert.ok(waitedMs >= afterMs - 2, `it came again after ${waitedMs} ms instead of ${afterMs}`)
        if (scene.isCalm && message!.deliveries !== undefined)
          assert.ok(again.deliveries! > message!.deliveries, 'deliveries did not grow')
      },
    },
    {
      name: 'hands over no more of a partition that is paused, and goes on when it is resumed',
      run: async scene => {
        const probe = await consume(scene)
        await publish(scene, probe.driver, ['a'])
        const [message] = await probe.received(1)
        // Joins before anything more is published: a queue keeps for a group what came since it is known.
        const other = await consume(scene, 'email')
        for (const partition of probe.partitions) probe.consumer.pause(partition)
        probe.consumer.settle([message!], { is: 'acknowledge', durable: true })
        await publish(scene, probe.driver, ['b'], message!.key)
        await other.received(1)
        const held = probe.messages.filter(one => bodyText(one) === 'b' && probe.partitions.has(one.partition)).length
        for (const partition of probe.partitions) probe.consumer.resume(partition)
        await scene.until('it came', () => {
          // `a` may have been stored twice: a copy of it that nobody settles would stay in front of `b`.
          probe.consumer.settle(probe.messages, { is: 'acknowledge', durable: true })
          return probe.messages.some(one => bodyText(one) === 'b')
        })
        if (scene.isCalm) assert.equal(held, 0, 'a message came from a paused partition')
      },
    },
    {
      name: 'knows how many messages wait',
      run: async scene => {
        const probe = await consume(scene)
        await publish(scene, probe.driver, ['a', 'b'])
        const messages = await probe.received(2)
        const lagOf = async (): Promise<number> =>
          [...(await probe.consumer.lag()).values()].reduce((sum, lag) => sum + lag.messages, 0)
        assert.ok((await lagOf()) >= 2)
        probe.consumer.settle(messages, { is: 'acknowledge', durable: true })
        if (scene.isCalm) await scene.untilAsked('nothing waits', async () => (await lagOf()) === 0)
      },
    },
    {
      name: 'seeks where replay is declared, and rejects where it is not',
      run: async scene => {
        const probe = await consume(scene)
        await publish(scene, probe.driver, ['a'])
        const [message] = await probe.received(1)
        probe.consumer.settle([message!], { is: 'acknowledge', durable: true })
        const sought = probe.consumer.seek(message!.partition, { position: message!.position })
        if (scene.capabilities.replay === 'none') return assert.rejects(sought)
        await sought
        await scene.until('it came again', () => probe.messages.length >= 2)
      },
    },
  ],
}

interface Probe {
  readonly driver: Driver
  readonly consumer: Consumer
  readonly messages: readonly Incoming[]
  readonly partitions: ReadonlySet<Partition>
  readonly faults: readonly string[]
  received(count: number): Promise<readonly Incoming[]>
}

/** A consumer with nothing of the bus around it. */
async function consume(scene: Scene, group = 'inventory'): Promise<Probe> {
  const driver = await declared(scene, group)
  const messages: Incoming[] = []
  const partitions = new Set<Partition>()
  const ready = new Set<Partition>()
  const faults: string[] = []
  const sink: Sink = {
    assigned: async partition => {
      partitions.add(partition)
      // Time enough for a driver that does not wait.
      for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
      ready.add(partition)
      scene.journal.note(group, `assigned ${partition.id}`)
    },
    revoked: async partition => void partitions.delete(partition),
    messages: batch => {
      for (const message of batch) {
        if (!ready.has(message.partition)) faults.push(`${message.position} came before assigned resolved`)
        messages.push(message)
        scene.journal.note(group, `gets ${bodyText(message)} @${message.position}`)
      }
    },
    lost: () => {},
    status: () => {},
  }
  const topics = [{ topic: scene.topic, ordered: scene.canOrder }]
  const member = `${group}-${messages.length}-${scene.random.below(1_000_000)}`
  const consumer = await driver.subscribe({ group, member, topics, window: 100, from: 'earliest' }, sink)
  scene.onClose(() => consumer.close())
  return {
    driver,
    consumer,
    messages,
    partitions,
    faults,
    received: async count => {
      const distinct = (): Incoming[] => [...new Map(messages.map(one => [bodyText(one), one])).values()]
      await scene.until(`${count} messages came`, () => distinct().length >= count)
      return distinct()
    },
  }
}

/** A driver whose broker knows the topic and the group. */
async function declared(scene: Scene, group: string): Promise<Driver> {
  const driver = await scene.rawDriver()
  const topic = { name: scene.topic, ordered: scene.canOrder, partitions: undefined, retentionMs: undefined }
  await driver.topology({ topics: [topic], groups: [{ name: group, topics: [scene.topic] }] }, 'create')
  return driver
}

async function publish(scene: Scene, driver: Driver, bodies: readonly string[], key?: string): Promise<void> {
  for (const body of bodies) {
    await scene.untilAsked(`${body} is stored`, async () => {
      const [fate] = await driver.publish(
        [{ ...outgoing(scene, body), ...(key !== undefined && { key }) }],
        scene.ms(1000),
      )
      scene.journal.note('publish', `${body} ${fate!.is}`)
      return fate!.is === 'stored'
    })
  }
}

function outgoing(scene: Scene, body: string): Outgoing {
  return {
    topic: scene.topic,
    key: scene.canOrder ? body : undefined,
    headers: { 'ce-id': body, 'ce-type': 'order.created', 'content-type': 'text/plain' },
    body: new TextEncoder().encode(body),
    delayMs: 0,
    until: 'stored',
  }
}

function bodyText(message: Incoming): string {
  return new TextDecoder().decode(message.body)
}
