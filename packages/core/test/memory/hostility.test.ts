import { virtualClock } from '@mekong/testing'
import { describe, expect, it } from 'vitest'
import type { Incoming, Partition } from '../../src/driver/driver-contract.ts'
import { createMemoryBroker, type Hostility } from '../../src/memory/index.ts'
import { outgoing, Probe, publish, textOf, turns } from './probe.ts'

it('reports the capabilities that its hostility leaves', () => {
  const capabilitiesOf = (hostility: Omit<Hostility, 'seed'>) =>
    createMemoryBroker({ hostility: { seed: 1, ...hostility } }).driver().capabilities
  expect(capabilitiesOf({})).toMatchObject({ affinity: 'partition', sameKeyBatch: 'together', replay: 'time' })
  expect(capabilitiesOf({ affinity: 'in-flight' })).toMatchObject({
    affinity: 'in-flight',
    redeliver: { blocks: 'key', keepsPlace: true },
    replay: 'none',
  })
  expect(capabilitiesOf({ affinity: 'none' })).toMatchObject({
    affinity: 'none',
    redeliver: { blocks: 'nothing', keepsPlace: false },
  })
  expect(capabilitiesOf({ sameKeyBatch: 'apart' }).sameKeyBatch).toBe('apart')
  expect(capabilitiesOf({ redeliversLater: false }).redeliver.maxDelayMs).toBe(0)
  expect(capabilitiesOf({ publishesLater: false }).publishDelayMs).toBe(0)
})

it('refuses options that make no sense', () => {
  const create = (hostility: object) => () => createMemoryBroker({ hostility: { seed: 1, ...hostility } })
  expect(create({ lost: 2 })).toThrow('hostility.lost must be between 0 and 1')
  expect(create({ loss: 0.1 })).toThrow('hostility.loss is not an option')
  expect(create({ revoke: 0.1, affinity: 'none' })).toThrow("needs affinity 'partition'")
})

it('repeats its choices for the same seed', async () => {
  const fates = async (seed: number): Promise<readonly string[]> => {
    const driver = createMemoryBroker({ hostility: { seed, notStored: 0.5 } }).driver()
    const all: string[] = []
    for (let count = 0; count < 30; count++) all.push(...(await publish(driver, outgoing(`${count}`))))
    return all
  }
  expect(await fates(7)).toEqual(await fates(7))
  expect(await fates(7)).not.toEqual(await fates(8))
})

describe('what the contract forbids', () => {
  it('is noted: two of a key in one batch where entries fare apart', async () => {
    const broker = createMemoryBroker({ hostility: { seed: 1, sameKeyBatch: 'apart' } })
    await publish(
      broker.driver(),
      outgoing('a', { key: 'k' }),
      outgoing('b', { key: 'other' }),
      outgoing('c'),
      outgoing('d'),
    )
    expect(broker.violations).toEqual([])
    await publish(broker.driver(), outgoing('a', { key: 'k' }), outgoing('b', { key: 'k' }))
    expect(broker.violations).toEqual(['published two messages of one key of orders in one batch'])
  })

  it('is noted: delays that are not declared', async () => {
    const broker = createMemoryBroker({ hostility: { seed: 1, redeliversLater: false, publishesLater: false } })
    const driver = broker.driver()
    const probe = await Probe.join(driver)
    await publish(driver, outgoing('a'))
    const [a] = await probe.received(1)
    probe.consumer.settle([a!], { is: 'redeliver', afterMs: 5, tried: true })
    await probe.received(2)
    const [fate] = await driver.publish([outgoing('b', { delayMs: 5 })], 1000)
    expect(driver.classify((fate as { error: unknown }).error)).toBe('illegal')
    expect(broker.violations).toEqual([
      'asked for redelivery after 5 ms, at most 0 ms are declared',
      'asked for a delay of 5 ms, at most 0 ms are declared',
    ])
  })

  it('is noted: batches that are too long, and settlements of what was never delivered', async () => {
    const broker = createMemoryBroker({ maxMessages: 2 })
    const probe = await Probe.join(broker.driver())
    await publish(broker.driver(), ...['a', 'b', 'c'].map(text => outgoing(text)))
    probe.acknowledge({} as Incoming)
    expect(broker.violations).toEqual([
      'published 3 messages at once, at most 2 are declared',
      'settled a message that this consumer did not deliver',
    ])
  })
})

describe('fates', () => {
  it('fails a whole batch', async () => {
    const broker = createMemoryBroker({ hostility: { seed: 1, notStored: 1 } })
    const probe = await Probe.join(broker.driver())
    expect(await publish(broker.driver(), outgoing('a'), outgoing('b'))).toEqual(['not-stored', 'not-stored'])
    await turns()
    expect(probe.texts).toEqual([])
  })

  it('fails parts of a batch: together by partition, apart by entry', async () => {
    const entries = Array.from({ length: 40 }, (_, index) => outgoing(`${index}`, { key: `k${index % 20}` }))
    const together = createMemoryBroker({ hostility: { seed: 3, partial: 0.5 } }).driver()
    const fates = await publish(together, ...entries)
    expect(new Set(fates)).toEqual(new Set(['stored', 'not-stored']))
    expect(fates.slice(20)).toEqual(fates.slice(0, 20))
    const apart = createMemoryBroker({
      partitions: 1,
      hostility: { seed: 3, partial: 0.5, sameKeyBatch: 'apart' },
    }).driver()
    expect(new Set(await publish(apart, ...entries.slice(0, 20)))).toEqual(new Set(['stored', 'not-stored']))
  })

  it('does not know a fate, and lands it now, later or never', async () => {
    const clock = virtualClock()
    const broker = createMemoryBroker({ clock, hostility: { seed: 5, unknown: 1, withinMs: 20 } })
    const probe = await Probe.join(broker.driver())
    for (let count = 0; count < 60; count++)
      expect(await publish(broker.driver(), outgoing(`${count}`))).toEqual(['unknown'])
    await turns()
    const now = probe.messagesSeen.length
    await clock.advance(20)
    await turns()
    const later = probe.messagesSeen.length - now
    expect([now > 5, later > 5, now + later < 55]).toEqual([true, true, true])
  })

  it('hangs for the whole timeout and does not know the fate then', async () => {
    const clock = virtualClock()
    const driver = createMemoryBroker({ clock, hostility: { seed: 5, hang: 1 } }).driver()
    let answered: unknown
    const published = driver.publish([outgoing('a')], 5000).then(fates => (answered = fates))
    await clock.advance(4999)
    expect(answered).toBeUndefined()
    await clock.advance(1)
    expect(await published).toMatchObject([{ is: 'unknown' }])
  })

  it('loses the connection before a publish and finds it again', async () => {
    const clock = virtualClock()
    const broker = createMemoryBroker({ clock, hostility: { seed: 5, disconnect: 0.5, awayMs: 50 } })
    const probe = await Probe.join(broker.driver())
    await probe.until(() => probe.statuses.includes('running'))
    const fates: string[] = []
    while (!fates.includes('not-stored')) fates.push(...(await publish(broker.driver(), outgoing('a'))))
    expect(probe.statuses.at(-1)).toBe('reconnecting')
    await clock.advance(50)
    expect(probe.statuses.at(-1)).toBe('running')
  })
})

describe('deliveries', () => {
  it('delivers again what was acknowledged', async () => {
    const clock = virtualClock()
    const broker = createMemoryBroker({ clock, hostility: { seed: 5, duplicate: 1 } })
    const probe = await Probe.join(broker.driver())
    await publish(broker.driver(), outgoing('a'))
    const [a] = await probe.received(1)
    probe.acknowledge(a!)
    await clock.advance(20)
    await probe.received(2)
    expect(probe.messagesSeen[1]).toMatchObject({ deliveries: 2, messageId: a!.messageId, position: a!.position })
  })

  it('lets handles die, those of later messages of the key with them, and delivers the messages again', async () => {
    const clock = virtualClock()
    const broker = createMemoryBroker({ clock, partitions: 1, hostility: { seed: 5, lost: 1 } })
    const probe = await Probe.join(broker.driver())
    const texts = ['a', 'b', 'c', 'd']
    await publish(broker.driver(), ...texts.map(text => outgoing(text, { key: 'k' })))
    await probe.received(4)
    for (let step = 0; probe.dead.length < 20; step++) {
      await clock.advance(1)
      await turns()
      // Nothing is settled: what is in hand of the key is all of it up to a point.
      const inHand = probe.messagesSeen.filter(message => !probe.dead.includes(message)).map(textOf)
      expect(inHand).toEqual(texts.slice(0, inHand.length))
    }
    expect(probe.messagesSeen.length).toBeGreaterThan(20)
  })

  it('takes partitions away in the middle of handlers, drained and lost, to one member or another', async () => {
    const broker = createMemoryBroker({ partitions: 2, hostility: { seed: 5, revoke: 1, withinMs: 1 } })
    const driver = broker.driver()
    const [one, two] = [await Probe.join(driver), await Probe.join(driver, { member: 'two' })]
    for (const probe of [one, two]) probe.onMessages = batch => probe.acknowledge(...batch)
    for (let count = 0; !['drain', 'lost'].every(how => one.revocations.includes(how as 'drain')); count++) {
      await publish(driver, outgoing(`${count}`))
      await turns(2)
    }
    expect(two.messagesSeen.length).toBeGreaterThan(0)
  })

  it('hands a key with affinity in-flight to one member at a time, in order, several of it together', async () => {
    const broker = createMemoryBroker({ partitions: 1, hostility: { seed: 5, affinity: 'in-flight' } })
    const driver = broker.driver()
    const [one, two] = [await Probe.join(driver, { window: 2 }), await Probe.join(driver, { member: 'two', window: 2 })]
    await publish(driver, ...['a', 'b', 'c'].map(text => outgoing(text, { key: 'k' })))
    await one.until(() => one.messagesSeen.length + two.messagesSeen.length === 2)
    await turns()
    const [owner, other] = one.messagesSeen.length > 0 ? [one, two] : [two, one]
    expect([owner.texts, other.texts]).toEqual([['a', 'b'], []])
    owner.acknowledge(owner.messagesSeen[0]!)
    await turns()
    expect(other.texts).toEqual([])
    await owner.consumer.close()
    await other.received(2)
    expect(other.texts).toEqual(['b', 'c'])
  })

  it('blocks a key with affinity in-flight while one of it waits for its delay, which keeps its place', async () => {
    const clock = virtualClock()
    const broker = createMemoryBroker({ clock, partitions: 1, hostility: { seed: 5, affinity: 'in-flight' } })
    const probe = await Probe.join(broker.driver())
    await publish(broker.driver(), outgoing('a', { key: 'k' }))
    probe.consumer.settle(await probe.received(1), { is: 'redeliver', afterMs: 1000, tried: true })
    await publish(broker.driver(), outgoing('b', { key: 'k' }), outgoing('free', { key: 'other' }))
    await probe.received(2)
    await turns()
    expect(probe.texts).toEqual(['a', 'free'])
    await clock.advance(1000)
    await probe.received(4)
    expect(probe.texts).toEqual(['a', 'free', 'a', 'b'])
  })

  it('gives partitions with affinity in-flight and none to every member', async () => {
    for (const affinity of ['in-flight', 'none'] as const) {
      const driver = createMemoryBroker({ partitions: 2, hostility: { seed: 5, affinity } }).driver()
      const [one, two] = [await Probe.join(driver), await Probe.join(driver, { member: 'two' })]
      await two.until(() => one.partitions.size === 2 && two.partitions.size === 2)
      await expect(one.consumer.seek([...one.partitions][0]!, { position: '0' })).rejects.toThrow('cannot replay')
    }
  })

  it('hands over in any order with affinity none', async () => {
    const broker = createMemoryBroker({ partitions: 1, hostility: { seed: 5, affinity: 'none' } })
    const probe = await Probe.join(broker.driver())
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`)
    await publish(broker.driver(), ...texts.map(text => outgoing(text, { key: 'k' })))
    await probe.received(20)
    expect(probe.texts).not.toEqual(texts)
    expect(probe.texts.toSorted()).toEqual(texts.toSorted())
  })

  it('shuffles across topics and hands over in batches of any size', async () => {
    const broker = createMemoryBroker({ partitions: 1, hostility: { seed: 5, shuffle: true } })
    const driver = broker.driver()
    const probe = await Probe.join(driver)
    await probe.consumer.extend([{ topic: 'payments', ordered: true }])
    const sizes = new Set<number>()
    probe.onMessages = batch => sizes.add(batch.length)
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`)
    await publish(
      driver,
      ...texts.map((text, index) => outgoing(text, { topic: index % 2 === 0 ? 'orders' : 'payments' })),
    )
    await probe.received(100)
    const of = (topic: string): readonly string[] =>
      probe.messagesSeen.filter(message => message.partition.topic === topic).map(textOf)
    expect([of('orders'), of('payments')]).toEqual([0, 1].map(half => texts.filter((_, index) => index % 2 === half)))
    expect(sizes.size).toBeGreaterThan(2)
  })
})

describe('everything at once', () => {
  const common = {
    shuffle: true,
    lost: 0.1,
    duplicate: 0.1,
    partial: 0.1,
    unknown: 0.1,
    notStored: 0.1,
    withinMs: 3,
    awayMs: 3,
  }
  const vices: readonly Omit<Hostility, 'seed'>[] = [
    { ...common, revoke: 0.2, disconnect: 0.05 },
    { ...common, affinity: 'in-flight', sameKeyBatch: 'apart', disconnect: 0.05 },
  ]
  const seeds = [Math.floor(Math.random() * 1e9), 1, 2]

  it.each(vices.flatMap(vice => seeds.map(seed => [seed, vice.affinity ?? 'partition', { seed, ...vice }] as const)))(
    'loses nothing that was stored and keeps the order of a key on first deliveries: seed %i, affinity %s',
    async (_seed, _affinity, hostility) => {
      const broker = createMemoryBroker({ partitions: 3, hostility })
      const driver = broker.driver()
      const members = [
        await Probe.join(driver),
        await Probe.join(driver, { member: 'two' }),
        await Probe.join(driver, { member: 'three' }),
      ]
      const first = new Map<string, number[]>()
      for (const probe of members) {
        probe.onMessages = batch => {
          for (const message of batch) {
            const seen = first.get(message.key!) ?? []
            first.set(message.key!, seen)
            if (!seen.includes(Number(textOf(message)))) seen.push(Number(textOf(message)))
          }
          setImmediate(() => probe.acknowledge(...batch))
        }
      }
      for (let number = 0; number < 40; number++) {
        for (const key of ['a', 'b', 'c', 'd']) {
          let fate: string | undefined
          while (fate !== 'stored') {
            ;[fate] = await publish(driver, outgoing(`${number}`, { key }))
            await turns(1)
          }
        }
      }
      await members[0]!.until(() => [...first.values()].every(seen => seen.length === 40) && first.size === 4)
      const inOrder = Array.from({ length: 40 }, (_, index) => index)
      expect(Object.fromEntries(first)).toEqual({ a: inOrder, b: inOrder, c: inOrder, d: inOrder })
      expect(broker.violations).toEqual([])
    },
  )
})

it('gives each assignment an epoch and an object of its own', async () => {
  const broker = createMemoryBroker({ partitions: 1 })
  const probe = await Probe.join(broker.driver())
  await probe.until(() => probe.partitions.size === 1)
  const assigned: Partition[] = []
  probe.onAssigned = async partition => void assigned.push(partition)
  for (let round = 1; round <= 3; round++) {
    await broker.revoke('orders', 'drain')
    await probe.until(() => assigned.length === round)
  }
  expect(assigned.map(({ epoch }) => epoch)).toEqual([2, 3, 4])
})
