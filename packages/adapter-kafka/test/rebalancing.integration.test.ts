import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyOf, KafkaBench, outgoing, type Probe, unique, untilAsked } from './support/probe.ts'
import { loseMembers } from './support/rebalance.ts'

let bench: KafkaBench

beforeAll(async () => {
  bench = await KafkaBench.shared()
})

afterAll(() => bench[Symbol.asyncDispose]())

function gate(): { readonly opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

async function publish(topic: string, bodies: readonly string[]): Promise<void> {
  const fates = await bench.driver().publish(
    bodies.map(body => outgoing(topic, body, body)),
    10_000,
  )
  expect(fates.map(({ is }) => is)).toEqual(bodies.map(() => 'stored'))
}

const owners = (...probes: readonly Probe[]): number => probes.reduce((sum, { assigned }) => sum + assigned.size, 0)

describe('a rebalance', () => {
  it('takes from a member only what goes elsewhere: the rest is worked on meanwhile', async () => {
    const topic = await bench.topic(6)
    const group = unique('group')
    const first = await bench.probe(bench.driver(), { topics: [topic], group })
    await first.untilAssigned(6)
    const second = await bench.probe(bench.driver(), { topics: [topic], group })
    await second.untilAssigned(3)
    expect(first.assigned.size).toBe(3)
    expect(first.revoked.map(({ how }) => how)).toEqual(['drain', 'drain', 'drain'])
    const epochs = new Set([...first.assigned].map(({ epoch }) => epoch))
    expect(epochs, 'what stayed was not assigned anew').toEqual(new Set([1]))
  })

  it('waits for what runs there, and the new owner begins behind it', async () => {
    const topic = await bench.topic(2)
    const group = unique('group')
    const draining = gate()
    const busy = gate()
    const drain = (): Promise<void> => {
      draining.open()
      return busy.opened
    }
    const first = await bench.probe(bench.driver(), { topics: [topic], group, settles: false, drain })
    await first.untilAssigned(2)
    const early = ['a', 'b', 'c', 'd', 'e', 'f']
    await publish(topic, early)
    await first.untilBodies(early)
    const second = await bench.probe(bench.driver(), { topics: [topic], group })
    await draining.opened
    expect(second.assigned.size).toBe(0)
    first.settle(first.messages)
    busy.open()
    await second.untilAssigned(1)
    expect(first.revoked.map(({ how }) => how)).toEqual(['drain'])
    const late = ['g', 'h', 'i', 'j', 'k', 'l', 'm', 'n']
    await publish(topic, late)
    await untilAsked('all of it came', async () =>
      late.every(body => [...first.bodies, ...second.bodies].includes(body)),
    )
    expect(second.bodies.filter(body => early.includes(body))).toEqual([])
    expect(second.bodies.length).toBeGreaterThan(0)
  })

  it('ends a drain that takes longer than the group waits: the partition is lost', async () => {
    const topic = await bench.topic(2)
    const group = unique('group')
    const never = gate()
    const options = { consume: { drainTimeoutMs: 300 } }
    const first = await bench.probe(bench.driver(options), { topics: [topic], group, drain: () => never.opened })
    await first.untilAssigned(2)
    const second = await bench.probe(bench.driver(), { topics: [topic], group })
    await second.untilAssigned(1)
    expect(first.revoked.map(({ how }) => how)).toEqual(['lost'])
    never.open()
  })

  it('hands nothing to two members, and leaves nothing out, while members come and go', async () => {
    const topic = await bench.topic(4)
    const group = unique('group')
    const bodies = Array.from({ length: 200 }, (_, index) => `${index}`)
    const probes: Probe[] = []
    const working = async (): Promise<void> => {
      for (let from = 0; from < bodies.length; from += 20) await publish(topic, bodies.slice(from, from + 20))
    }
    const coming = async (): Promise<void> => {
      for (let turn = 0; turn < 6; turn++) {
        probes.push(await bench.probe(bench.driver(), { topics: [topic], group }))
        await untilAsked('every partition has an owner', async () => owners(...probes) === 4)
        if (turn % 2 === 0) continue
        const [oldest] = probes.splice(0, 1)
        await oldest!.consumer.close()
        oldest!.assigned.clear()
        gone.push(oldest!)
      }
    }
    const gone: Probe[] = []
    await Promise.all([working(), coming()])
    const everybody = (): readonly string[] => [...gone, ...probes].flatMap(({ messages }) => messages.map(bodyOf))
    await untilAsked('all of it was handed over', async () => new Set(everybody()).size === bodies.length)
    // Each settles at once and leaves in order: nothing comes twice.
    expect(everybody().toSorted()).toEqual(bodies.toSorted())
  })
})

describe('membership', () => {
  it('is kept while handlers run for longer than the session', async () => {
    const topic = await bench.topic(1)
    const group = unique('group')
    const consume = { sessionTimeoutMs: 1200, heartbeatIntervalMs: 200 }
    const probe = await bench.probe(bench.driver({ consume }), { topics: [topic], group, settles: false })
    await publish(topic, ['a'])
    await probe.untilBodies(['a'])
    const other = await bench.probe(bench.driver({ consume }), { topics: [topic], group })
    const until = performance.now() + 2600
    await untilAsked('the session would have been over twice', async () => performance.now() > until)
    expect(probe.revoked).toEqual([])
    expect(other.assigned.size).toBe(0)
    probe.settle(probe.messages)
    await untilAsked('it is committed', async () => (await bench.committed(group, topic)) === 1)
  })

  it('that the group has forgotten is taken up again by the consumer itself, with a new epoch', async () => {
    const topic = await bench.topic(2)
    const group = unique('group')
    const probe = await bench.probe(bench.driver(), { topics: [topic], group })
    await probe.untilAssigned(2)
    await loseMembers(bench.brokers, topic)
    await probe.until('both are lost', ({ revoked }) => revoked.length === 2)
    await probe.untilAssigned(2)
    expect(probe.revoked.map(({ how }) => how)).toEqual(['lost', 'lost'])
    expect([...probe.assigned].map(({ epoch }) => epoch)).toEqual([2, 2])
    await publish(topic, ['a'])
    await probe.untilBodies(['a'])
  })

  it('ends at once on close, also while the group waits for another member', async () => {
    const topic = await bench.topic(2)
    const group = unique('group')
    const never = gate()
    const first = await bench.probe(bench.driver(), { topics: [topic], group, drain: () => never.opened })
    await first.untilAssigned(2)
    const second = await bench.probe(bench.driver(), { topics: [topic], group })
    // It may not join again before it has drained, and a third has to wait for it.
    const third = await bench.probe(bench.driver(), { topics: [topic], group })
    const startedAt = performance.now()
    await Promise.all([second.consumer.close(), third.consumer.close()])
    expect(performance.now() - startedAt).toBeLessThan(3000)
    never.open()
    await first.untilAssigned(2)
    await publish(topic, ['a'])
    await first.untilBodies(['a'])
  })

  it('takes in topics that are added later, without giving up the others', async () => {
    const topic = await bench.topic(2)
    const added = await bench.topic(2)
    const probe = await bench.probe(bench.driver(), { topics: [topic] })
    await probe.untilAssigned(2)
    await probe.consumer.extend([{ topic: added, ordered: true }])
    await probe.untilAssigned(4)
    expect(probe.revoked).toEqual([])
    await publish(added, ['a'])
    await probe.untilBodies(['a'])
  })

  it('says so when it cannot be had: the group works in another way', async () => {
    const topic = await bench.topic(1)
    const group = unique('group')
    const other = bench.kafkajs.consumer({ groupId: group })
    bench.onClose(() => other.disconnect())
    await other.connect()
    await other.subscribe({ topic })
    await new Promise<unknown>(resolve => {
      other.on('consumer.group_join', resolve)
      void other.run({ eachMessage: async () => undefined })
    })
    const probe = await bench.probe(bench.driver(), { topics: [topic], group })
    await probe.until('it is fatal', ({ status }) => status?.is === 'fatal')
    expect(probe.status).toMatchObject({ error: { message: expect.stringContaining('INCONSISTENT_GROUP_PROTOCOL') } })
    await other.disconnect()
    await probe.untilAssigned(1)
    await probe.until('all is well', ({ status }) => status?.is === 'running')
  })
})
