import { describe, expect, it } from 'vitest'
import { defineContract } from '../../src/define-contract.ts'
import type { StandardSchema } from '../../src/standard-schema.ts'
import { consuming } from './consuming.ts'

const timeoutMs = 1000

describe('an attempt', () => {
  it('is repeated at once, then later, then the event is dead', async () => {
    const { broker, begun, fail, seen, clock } = await consuming({
      subscription: { retry: { maxAttempts: 3, immediate: 1, delayMs: 1000 } },
    })
    broker.deliver(await broker.assign(), 'a1')
    await fail('a1')
    await clock.advance(100)
    await fail('a1')
    expect(broker.settled).toEqual(['a1 acknowledge'])
    await clock.advance(5000)
    await fail('a1')
    expect(begun).toHaveLength(3)
    expect(seen('attempt-failed').map(({ attempt, next }) => [attempt, next])).toEqual([
      [1, 'retry'],
      [2, 'delay'],
      [3, 'dead'],
    ])
    expect(seen('held').map(({ state }) => state)).toEqual(['delayed', 'dead'])
  })

  it('is told of its deadline, and not waited for longer than the grace', async () => {
    const { broker, begun, running, clock, seen } = await consuming({
      subscription: { timeoutMs, retry: { maxAttempts: 1 } },
      options: { consume: { abortGraceMs: 500 } },
    })
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(999)
    const { signal } = running.get('a1')!.context
    expect(signal.aborted).toBe(false)
    await clock.advance(1)
    expect(signal.aborted).toBe(true)
    expect(seen('attempt-failed')).toEqual([])
    await clock.advance(500)
    expect(seen('attempt-failed')).toMatchObject([{ error: { code: 'HANDLER_TIMEOUT' }, next: 'dead' }])
    expect(begun).toEqual(['a1'])
  })

  it('succeeds that ends within the grace', async () => {
    const { broker, clock, finish, seen } = await consuming({ subscription: { timeoutMs } })
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(1500)
    await finish('a1')
    expect(seen('completed')).toHaveLength(1)
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('ends at its deadline when the schema never answers', async () => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => undefined) } }
    const contract = defineContract({ order: { schema: schema as StandardSchema } })
    const { broker, clock, seen } = await consuming({
      subscription: { timeoutMs, retry: { maxAttempts: 1 } },
      options: { contract, consume: { abortGraceMs: 500 } },
    })
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(1500)
    expect(seen('attempt-failed')).toMatchObject([{ error: { code: 'HANDLER_TIMEOUT' } }])
  })

  it('is the last one when its partition is lost between its deadline and its end', async () => {
    const { broker, begun, clock, fail } = await consuming({ subscription: { timeoutMs } })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    await clock.advance(timeoutMs)
    await broker.joined[0]!.sink.revoked(partition, 'lost')
    await fail('a1')
    await clock.advance(60_000)
    expect(begun).toEqual(['a1'])
  })

  it('is the last one when closing runs out of time between its deadline and its end', async () => {
    const { broker, bus, begun, clock, fail } = await consuming({ subscription: { timeoutMs } })
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(timeoutMs)
    const closed = bus.close({ timeoutMs: 100 })
    await clock.advance(100)
    await fail('a1')
    await clock.advance(60_000)
    await closed
    expect(begun).toEqual(['a1'])
  })

  it('does not follow a pause in which the partition was lost', async () => {
    const { broker, begun, clock, fail } = await consuming({
      subscription: { retry: { immediateDelayMs: 1000 } },
    })
    const partition = await broker.assign()
    broker.deliver(partition, 'a1')
    await fail('a1')
    await broker.joined[0]!.sink.revoked(partition, 'lost')
    await clock.advance(60_000)
    expect(begun).toEqual(['a1'])
  })

  it('goes on when an observer throws at every signal', async () => {
    const { broker, finished, finish } = await consuming({
      options: {
        observe: () => {
          throw new Error('observer')
        },
      },
    })
    broker.deliver(await broker.assign(), 'a1', 'a2')
    await finish('a1', 'a2')
    expect(finished).toEqual(['a1', 'a2'])
    expect(broker.settled).toHaveLength(2)
  })
})
