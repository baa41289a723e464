import { describe, expect, it } from 'vitest'
import { consuming, type Consuming } from './consuming.ts'

const options = { consume: { window: 4, spillAfterMs: 100 } }
const hot = ['a1', 'a2', 'a3', 'a4'] as const

async function spilled(
  setting: Parameters<typeof consuming>[0] = {},
): Promise<Consuming & { deliver: (...ids: string[]) => void }> {
  const bus = await consuming({ options, ...setting })
  const partition = await bus.broker.assign()
  const deliver = (...ids: string[]): void => void bus.broker.deliver(partition, ...ids)
  deliver(...hot)
  await bus.clock.advance(100)
  return { ...bus, deliver }
}

const held = async (bus: Consuming): Promise<readonly string[]> =>
  (await bus.bus.held.list()).events.map(({ event, state }) => `${event.split(' ')[1]} ${state}`)

describe('a key that fills the window', () => {
  it('waits in the hold store, so that other keys go on', async () => {
    const { broker, begun, deliver, clock, finish, seen } = await spilled()
    expect(broker.settled).toHaveLength(4)
    deliver('b1')
    await clock.settle()
    expect(begun).toEqual(['a1', 'b1'])
    expect(seen('spilled')).toMatchObject([{ key: 'a', events: 4 }])
    await finish('b1')
  })

  it('goes on in order when its running event is done, and later events wait behind', async () => {
    const bus = await spilled()
    bus.deliver('a5')
    await bus.finish('a1', 'a2', 'a3', 'a4', 'a5')
    expect(bus.begun).toEqual(['a1', 'a2', 'a3', 'a4', 'a5'])
    expect(await held(bus)).toEqual([])
    bus.deliver('a6')
    await bus.finish('a6')
    expect(bus.begun).toHaveLength(6)
  })

  it('is spilled again while its event still runs', async () => {
    const bus = await spilled()
    bus.deliver('a5', 'a6', 'a7', 'a8')
    await bus.clock.advance(200)
    expect(bus.broker.settled).toHaveLength(8)
    await bus.finish('a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8')
    expect(bus.begun).toHaveLength(8)
  })

  it('keeps its failed event ahead of the rest', async () => {
    const bus = await spilled({ subscription: { retry: { maxAttempts: 1 } } })
    await bus.fail('a1')
    expect(await held(bus)).toEqual(['a1 dead', 'a2 parked', 'a3 parked', 'a4 parked'])
    await bus.bus.held.redrive()
    await bus.finish('a1', 'a2', 'a3', 'a4')
    expect(bus.begun).toEqual(['a1', 'a1', 'a2', 'a3', 'a4'])
  })

  it('goes on without its dead event where nobody is to wait for it', async () => {
    const bus = await spilled({ subscription: { onDead: 'continue', retry: { maxAttempts: 1 } } })
    await bus.fail('a1')
    await bus.finish('a2', 'a3', 'a4')
    expect(bus.begun).toEqual(['a1', 'a2', 'a3', 'a4'])
    expect(await held(bus)).toEqual(['a1 dead'])
  })

  it('is not stopped by the loss of its partition', async () => {
    const bus = await spilled()
    await bus.broker.joined[0]!.sink.revoked({ topic: 'order', id: '0', epoch: 1 }, 'lost')
    await bus.finish('a1', 'a2', 'a3', 'a4')
    expect(bus.finished).toEqual(['a1', 'a2', 'a3', 'a4'])
  })

  it('is left to others when the bus closes', async () => {
    const bus = await spilled()
    const closed = bus.bus.close({ timeoutMs: 100 })
    await bus.clock.advance(100)
    await bus.fail('a1')
    await bus.clock.advance(10_000)
    await closed
    expect(await held(bus)).toEqual(['a1 parked', 'a2 parked', 'a3 parked', 'a4 parked'])
    const [lease] = await bus.hold.leaseDue(
      { group: 'stock', subscription: 'order' },
      { owner: 'next', leaseMs: 1, limit: 9 },
    )
    expect(lease).toMatchObject({ lane: 'a' })
  })

  it.each([
    'spill',
    'hold',
    'appendIfParked',
    'lookup',
    'finish',
    'release',
    'keep',
    'extend',
    'leaseDue',
    'head',
  ] as const)('keeps its order through an outage of %s of the hold store', async method => {
    const bus = await consuming({ options })
    const partition = await bus.broker.assign()
    const restore = bus.holds.fail(method)
    bus.broker.deliver(partition, ...hot)
    await bus.clock.advance(500)
    bus.broker.deliver(partition, 'a5', 'a6')
    await bus.clock.advance(500)
    restore()
    for (let step = 0; step < 30; step++) {
      await bus.clock.advance(1000)
      for (const run of bus.running.values()) run.finish()
    }
    await bus.clock.settle()
    expect(bus.finished).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6'])
    expect(bus.broker.settled).toHaveLength(6)
    expect(await held(bus)).toEqual([])
  })
})

describe('a spill beside the end of the running event', () => {
  it('waits for it, or lets it wait, so that the lane goes on', async () => {
    const bus = await consuming({ options })
    const partition = await bus.broker.assign()
    const restore = bus.claims.fail('complete')
    bus.broker.deliver(partition, 'a1')
    await bus.finish('a1')
    bus.broker.deliver(partition, 'a2', 'a3', 'a4')
    await bus.clock.advance(200)
    restore()
    await bus.clock.advance(1000)
    await bus.finish('a2', 'a3', 'a4')
    expect(bus.broker.settled).toHaveLength(4)
    expect(await held(bus)).toEqual([])
  })

  it('that is under way when the handler is done tells the hold store of its end', async () => {
    const bus = await consuming({ options })
    const resume = bus.holds.pause('spill', 'after')
    bus.broker.deliver(await bus.broker.assign(), ...hot)
    await bus.clock.advance(100)
    await bus.finish('a1')
    resume()
    await bus.finish('a2', 'a3', 'a4')
    expect(bus.begun).toEqual([...hot])
    expect(await held(bus)).toEqual([])
  })
})
