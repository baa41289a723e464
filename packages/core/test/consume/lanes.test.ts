import { describe, expect, it } from 'vitest'
import { MekongError } from '../../src/error.ts'
import { claimElsewhere, consuming } from './consuming.ts'

const atOnce = { maxAttempts: 1 }

describe('order by key', () => {
  it('runs the events of one key one at a time, those of others beside them', async () => {
    const { broker, begun, finish } = await consuming()
    broker.deliver(await broker.assign(), 'a1', 'a2', 'b1')
    await finish('a1', 'b1')
    expect(begun).toEqual(['a1', 'b1', 'a2'])
    await finish('a2')
    expect(broker.settled).toEqual(['a1 acknowledge', 'b1 acknowledge', 'a2 acknowledge'])
  })

  it('runs no more handlers at once than its concurrency', async () => {
    const { broker, begun, finish, clock } = await consuming({ subscription: { concurrency: 2 } })
    broker.deliver(await broker.assign(), 'a1', 'b1', 'c1', 'd1')
    await clock.settle()
    expect(begun).toEqual(['a1', 'b1'])
    await finish('b1')
    expect(begun).toEqual(['a1', 'b1', 'c1'])
  })

  it('claims what arrived together in one round trip', async () => {
    const { broker, claims, clock } = await consuming()
    broker.deliver(await broker.assign(), 'a1', 'a2', 'b1', 'c1')
    await clock.settle()
    expect(claims.calls('claim')).toBe(1)
  })
})

describe('the same message again', () => {
  it('attaches to the run under way: both are acknowledged when it ends', async () => {
    const { broker, begun, finish } = await consuming()
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    broker.deliver(partition, 'a1')
    await finish('a1')
    expect(begun).toEqual(['a1'])
    expect(broker.settled).toEqual(['a1 acknowledge', 'a1 acknowledge'])
  })

  it('attaches while its event waits for an answer of the idempotency store', async () => {
    const { broker, claims, begun, finish, clock } = await consuming()
    const partition = await broker.assign()
    const resume = claims.pause('claim', 'after')
    broker.deliver(partition, 'a1')
    await clock.settle()
    broker.deliver(partition, 'a1', 'a1')
    resume()
    await clock.settle()
    await finish('a1')
    expect(begun).toEqual(['a1'])
    expect(broker.settled).toHaveLength(3)
  })

  it('is acknowledged without a run when its event is completed', async () => {
    const { broker, begun, finish, clock } = await consuming()
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    await finish('a1')
    broker.deliver(partition, 'a1')
    await clock.settle()
    expect(begun).toEqual(['a1'])
    expect(broker.settled).toHaveLength(2)
  })

  it('of a new epoch attaches to a handler that still runs from the old one', async () => {
    const { broker, begun, finish, clock } = await consuming()
    const first = await broker.assign()
    broker.deliver(first, 'a1', 'a2')
    await clock.settle()
    await broker.joined[0]!.sink.revoked(first, 'lost')
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await finish('a1')
    await clock.advance(1000)
    expect(begun).toEqual(['a1', 'a2'])
    await finish('a2')
    expect(broker.settled).toEqual(['a1 acknowledge', 'a2 acknowledge'])
  })

  it('is settled when it attaches to the running head of a spilled lane', async () => {
    const { broker, begun, finish, clock, holds } = await consuming({
      options: { consume: { window: 4, spillAfterMs: 100 } },
    })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1', 'a2', 'a3', 'a4')
    await clock.advance(100)
    expect(holds.calls('spill')).toBe(1)
    const [again] = broker.deliver(partition, 'a1')
    await finish('a1')
    expect(begun[0]).toBe('a1')
    expect(broker.settlements.get(again!)).toMatchObject({ is: 'acknowledge' })
  })
})

describe('claims', () => {
  it('gives back the claim of an event that left while it was looked up', async () => {
    const { broker, holds, claims, idempotency, clock } = await consuming({
      capabilities: { affinity: 'in-flight', redeliver: { maxDelayMs: 60_000, blocks: 'key', keepsPlace: true } },
    })
    const partition = await broker.assign()
    const resume = holds.pause('lookup')
    broker.joined[0]!.sink.lost(broker.deliver(partition, 'a1'))
    const messages = broker.deliver(partition, 'a2')
    await clock.settle()
    broker.joined[0]!.sink.lost(messages)
    resume()
    await clock.advance(100_000)
    expect(claims.calls('extend')).toBe(0)
    const [first] = await idempotency.claim([
      { identity: { scope: 'stock/order', event: 'shop a1' }, token: 't', leaseMs: 1, from: 'live' },
    ])
    const [second] = await idempotency.claim([
      { identity: { scope: 'stock/order', event: 'shop a2' }, token: 't', leaseMs: 1, from: 'live' },
    ])
    expect([first?.is, second?.is]).toEqual(['mine', 'mine'])
  })

  it('runs an event again whose handler was busy, and counts no attempt', async () => {
    const { broker, begun, running, fail, finish, clock } = await consuming()
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await clock.settle()
    await fail('a1', new MekongError('BUSY', 'somebody is at it'))
    await clock.advance(5000)
    expect(begun).toEqual(['a1', 'a1'])
    expect(running.get('a1')!.context.attempt).toBe(1)
    await finish('a1', 'a2')
    expect(begun).toEqual(['a1', 'a1', 'a2'])
  })

  it('lets an event that another owner works on wait, with those behind it, and asks again', async () => {
    const { broker, idempotency, begun, clock, finish } = await consuming()
    await claimElsewhere(idempotency, 'a1', 10_000)
    broker.deliver(await broker.assign(), 'a1', 'a2', 'b1')
    await clock.advance(9000)
    expect(begun).toEqual(['b1'])
    await clock.advance(2000)
    await finish('a1')
    expect(begun).toEqual(['b1', 'a1', 'a2'])
  })

  it('aborts a handler whose claim went to another owner, and asks the store what became of the event', async () => {
    const { broker, begun, running, idempotency, claims, fail, finish, clock } = await consuming({
      options: { consume: { leaseMs: 3000 } },
    })
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await clock.settle()
    const { signal } = running.get('a1')!.context
    const restore = claims.fail('extend')
    await clock.advance(4000)
    await claimElsewhere(idempotency, 'a1', 2000)
    restore()
    await clock.advance(1000)
    expect(signal.aborted).toBe(true)
    await fail('a1')
    await clock.advance(10_000)
    expect(begun).toEqual(['a1', 'a1'])
    await finish('a1')
    await finish('a2')
    expect(broker.settled).toEqual(['a1 acknowledge', 'a2 acknowledge'])
  })
})

describe('parked keys', () => {
  it('parks behind a dead event whatever comes later of its key', async () => {
    const { broker, begun, fail, hold, clock } = await consuming({ subscription: { retry: atOnce } })
    broker.deliver(await broker.assign(), 'a1', 'a2', 'a3')
    await clock.settle()
    await fail('a1')
    expect(begun).toEqual(['a1'])
    const page = await hold.list({ group: 'stock' }, { limit: 10 })
    expect(page.events.map(({ event, state }) => `${event} ${state}`)).toEqual([
      'shop a1 dead',
      'shop a2 parked',
      'shop a3 parked',
    ])
    expect(broker.settled).toHaveLength(3)
  })

  it('keeps a key parked whose next event is claimed by another owner at its turn', async () => {
    const { broker, begun, fail, claims, idempotency, clock } = await consuming({
      subscription: { retry: atOnce },
      options: { consume: { leaseMs: 3000 } },
    })
    broker.deliver(await broker.assign(), 'a1', 'a2', 'a3')
    await clock.settle()
    // The leases of all three run out unnoticed; another owner takes the second event.
    const restore = claims.fail('extend')
    await clock.advance(3500)
    await claimElsewhere(idempotency, 'a2', 2000)
    restore()
    await fail('a1')
    expect(begun).toEqual(['a1'])
    await clock.advance(10_000)
    expect(begun).toEqual(['a1'])
    expect(broker.settled).toHaveLength(3)
  })

  it('asks again for keys that were parked elsewhere while a handler of this process outlived its partition', async () => {
    const { broker, begun, clock, hold, idempotency, claims, fail } = await consuming({
      options: { consume: { leaseMs: 3000 } },
    })
    const first = await broker.assign()
    broker.deliver(first, 'a1')
    await clock.settle()
    await broker.joined[0]!.sink.revoked(first, 'lost')
    // This process sleeps through its lease; the new owner completes a1, and a2 dies there.
    const restore = claims.fail('extend')
    await clock.advance(4000)
    const scope = { group: 'stock', subscription: 'order' }
    const identity = { scope: 'stock/order', event: 'shop a1' }
    const [mine] = await idempotency.claim([{ identity, token: 'other', leaseMs: 3000, from: 'live' }])
    if (mine?.is === 'mine') await idempotency.complete([{ identity, token: 'other', fence: mine.fence }])
    const message = {
      topic: 'order',
      partition: '0',
      position: '2',
      messageId: '2',
      key: 'a',
      headers: {},
      body: Buffer.from('"a2"'),
    }
    await hold.hold(
      {
        scope,
        event: 'shop a2',
        key: 'a',
        state: 'dead',
        dueAt: undefined,
        message,
        attempts: 1,
        reason: { code: 'E', message: '' },
        heldAt: 0,
        fence: 1,
      },
      { maxParkedKeys: 10, maxParkedPerKey: 10 },
    )
    restore()
    broker.deliver(await broker.assign(), 'a3')
    await clock.settle()
    await fail('a1')
    await clock.advance(5000)
    expect(begun).toEqual(['a1'])
    expect((await hold.list({ group: 'stock' }, { limit: 10 })).events.map(({ event }) => event)).toEqual([
      'shop a2',
      'shop a3',
    ])
  })
})

describe('losing partitions and handles', () => {
  it('lets what runs end, drops what waits, and resolves then', async () => {
    const { broker, begun, finish, clock } = await consuming()
    const partition = await broker.assign()
    broker.deliver(partition, 'a1', 'a2')
    await clock.settle()
    let isRevoked = false
    const revoked = broker.joined[0]!.sink.revoked(partition, 'drain').then(() => (isRevoked = true))
    await clock.settle()
    expect(isRevoked).toBe(false)
    await finish('a1')
    await revoked
    expect(begun).toEqual(['a1'])
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('does not begin an attempt for an event whose partition was lost while its turn waited for the hold store', async () => {
    const { broker, begun, fail, holds, hold, clock } = await consuming({ subscription: { retry: atOnce } })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    await clock.settle()
    await fail('a1')
    const resume = holds.pause('appendIfParked')
    broker.deliver(partition, 'a2')
    await clock.settle()
    await hold.discard({ group: 'stock' })
    const lost = broker.joined[0]!.sink.revoked(partition, 'lost')
    resume()
    await lost
    await clock.advance(5000)
    expect(begun).toEqual(['a1'])
  })

  it('goes on with a lane that was not spilled because the store refused', async () => {
    const { broker, begun, clock, finish, holds } = await consuming({
      subscription: { concurrency: 1 },
      options: { consume: { window: 4, spillAfterMs: 100, maxParkedPerKey: 2 } },
    })
    const partition = await broker.assign()
    const resume = holds.pause('spill')
    broker.deliver(partition, 'z1', 'a1', 'a2', 'a3', 'a4')
    await clock.advance(150)
    await finish('z1')
    expect(begun).toEqual(['z1'])
    resume()
    await finish('a1')
    expect(begun).toEqual(['z1', 'a1', 'a2'])
  })

  it('leaves a partition whose lane is being spilled as soon as that is done', async () => {
    const { broker, clock, holds, begun } = await consuming({
      subscription: { concurrency: 1 },
      options: { consume: { window: 4, spillAfterMs: 100 } },
    })
    const partition = await broker.assign()
    const other = await broker.assign('order', '1')
    broker.deliver(other, 'z1')
    broker.deliver(partition, 'a1', 'a2', 'a3', 'a4')
    const resume = holds.pause('spill')
    await clock.advance(100)
    let isRevoked = false
    void broker.joined[0]!.sink.revoked(partition, 'drain').then(() => (isRevoked = true))
    await clock.settle()
    resume()
    await clock.settle()
    expect(isRevoked).toBe(true)
    expect(begun).toEqual(['z1'])
  })

  it('drops thousands of waiting lanes at once', async () => {
    const { broker, clock, begun, finish } = await consuming({
      subscription: { concurrency: 1 },
      options: { consume: { window: 100_000 } },
    })
    const partition = await broker.assign()
    const messages = broker.deliver(partition, ...Array.from({ length: 10_000 }, (_, index) => `unkeyed-${index}`))
    await clock.settle()
    broker.joined[0]!.sink.lost(messages.slice(1))
    const [first] = begun
    await finish(first!)
    broker.deliver(partition, 'b1')
    await clock.settle()
    expect(begun).toEqual([first, 'b1'])
  })
})
