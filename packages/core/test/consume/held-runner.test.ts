import { describe, expect, it } from 'vitest'
import { MekongError } from '../../src/error.ts'
import type { EventBus } from '../../src/event-bus.ts'
import { claimElsewhere, consuming } from './consuming.ts'

const atOnce = { maxAttempts: 1 }

async function heldIn(bus: EventBus): Promise<readonly string[]> {
  const { events } = await bus.held.list()
  return events.map(({ event, state }) => `${event.split(' ')[1]} ${state}`)
}

describe('held events', () => {
  it('run in order after a redrive, and unpark their key', async () => {
    const { broker, bus, begun, fail, finish, seen, clock } = await consuming({ subscription: { retry: atOnce } })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1', 'a2')
    await fail('a1')
    broker.deliver(partition, 'a3')
    await clock.settle()
    expect(await bus.held.redrive()).toBe(1)
    await finish('a1', 'a2', 'a3')
    expect(begun).toEqual(['a1', 'a1', 'a2', 'a3'])
    expect(await heldIn(bus)).toEqual([])
    expect(seen('unparked')).toMatchObject([{ key: 'a' }])
    broker.deliver(partition, 'a4')
    await finish('a4')
    expect(broker.settled).toHaveLength(4)
  })

  it('are delayed without holding up other keys', async () => {
    const { broker, begun, fail, finish, clock } = await consuming({
      subscription: { retry: { maxAttempts: 2, immediate: 0, delayMs: 1000 } },
    })
    broker.deliver(await broker.assign(), 'a1', 'a2', 'b1')
    await fail('a1')
    await finish('b1')
    expect(begun).toEqual(['a1', 'b1'])
    await clock.advance(1000)
    await finish('a1', 'a2')
    expect(begun).toEqual(['a1', 'b1', 'a1', 'a2'])
  })

  it('run at once when they are redriven while the store is asked what falls due next', async () => {
    const { broker, bus, begun, fail, holds, clock } = await consuming({ subscription: { retry: atOnce } })
    broker.deliver(await broker.assign(), 'a1')
    await fail('a1')
    const resume = holds.pause('nextDueAt', 'after')
    await clock.advance(1000)
    await bus.held.redrive()
    resume()
    await clock.settle()
    expect(begun).toEqual(['a1', 'a1'])
  })

  it('are not asked for over and over while every handler is taken', async () => {
    const { broker, bus, running, fail, holds, clock } = await consuming({
      subscription: { retry: atOnce, concurrency: 1 },
    })
    broker.deliver(await broker.assign(), 'a1', 'b1')
    await fail('a1')
    await fail('b1')
    await bus.held.redrive()
    await clock.settle()
    expect([...running.keys()]).toEqual(['a1'])
    const before = holds.calls('nextDueAt') + holds.calls('leaseDue')
    await clock.advance(10_000)
    expect(holds.calls('nextDueAt') + holds.calls('leaseDue') - before).toBeLessThanOrEqual(20)
  })

  it('hear that their claim went to another owner', async () => {
    const { broker, bus, begun, running, idempotency, claims, fail, finish, clock } = await consuming({
      subscription: { retry: atOnce },
      options: { consume: { leaseMs: 3000 } },
    })
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await fail('a1')
    await bus.held.redrive()
    await clock.settle()
    const { signal } = running.get('a1')!.context
    const restore = claims.fail('extend')
    await clock.advance(4000)
    await claimElsewhere(idempotency, 'a1', 1000)
    restore()
    await clock.advance(1000)
    expect(signal.aborted).toBe(true)
    await fail('a1')
    await clock.advance(5000)
    await finish('a1', 'a2')
    expect(begun).toEqual(['a1', 'a1', 'a1', 'a2'])
  })

  it('leave the handlers to others while another owner works on them', async () => {
    const { broker, bus, begun, idempotency, fail, finish, clock } = await consuming({
      subscription: { retry: atOnce, concurrency: 1 },
    })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    await fail('a1')
    const identity = { scope: 'stock/order', event: 'shop a1' }
    await idempotency.claim([{ identity, token: 'elsewhere', leaseMs: 5000, from: 'held' }])
    await bus.held.redrive()
    await clock.advance(100)
    broker.deliver(partition, 'b1')
    await clock.settle()
    expect(begun).toEqual(['a1', 'b1'])
    await finish('b1')
    await clock.advance(6000)
    expect(begun).toEqual(['a1', 'b1', 'a1'])
  })

  it('stay held when their handler is busy, and run again', async () => {
    const { broker, bus, begun, fail, finish, clock } = await consuming({ subscription: { retry: atOnce } })
    broker.deliver(await broker.assign(), 'a1')
    await fail('a1')
    await bus.held.redrive()
    await fail('a1', new MekongError('BUSY', 'locked'))
    await clock.advance(2000)
    await finish('a1')
    expect(begun).toEqual(['a1', 'a1', 'a1'])
    expect(await heldIn(bus)).toEqual([])
  })

  it('begin nothing more when the bus closes', async () => {
    const { broker, bus, begun, fail, finish, clock } = await consuming({
      subscription: { retry: atOnce, concurrency: 1 },
    })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1', 'b1')
    await fail('a1')
    await clock.settle()
    await bus.held.redrive()
    await clock.settle()
    const closed = bus.close()
    await finish('b1')
    await closed
    expect(begun).toEqual(['a1', 'b1'])
  })

  it.each(['leaseDue', 'head', 'finish', 'nextDueAt', 'keep', 'extend', 'release'] as const)(
    'run when the store comes back from an outage of %s',
    async method => {
      const { broker, bus, holds, running, fail, finished, clock } = await consuming({
        subscription: { retry: { maxAttempts: 3, immediate: 0, delayMs: 100, maxDelayMs: 200 } },
      })
      broker.deliver(await broker.assign(), 'a1', 'a2')
      await fail('a1')
      const restore = holds.fail(method)
      await clock.advance(500)
      if (running.has('a1')) await fail('a1')
      await clock.advance(10_000)
      restore()
      for (let step = 0; step < 40; step++) {
        await clock.advance(500)
        for (const run of running.values()) run.finish()
      }
      await clock.settle()
      expect(new Set(finished)).toEqual(new Set(['a1', 'a2']))
      expect(finished.indexOf('a1')).toBeLessThan(finished.indexOf('a2'))
      expect(await heldIn(bus)).toEqual([])
    },
  )
})
