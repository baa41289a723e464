import { describe, expect, it } from 'vitest'
import { LeaseKeeper } from '../../src/consume/lease-keeper.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'

const leaseMs = 3000

interface Keeping {
  readonly clock: VirtualClock
  readonly keeper: LeaseKeeper<string>
  /** What was prolonged in each call. */
  readonly calls: (readonly string[])[]
  readonly lost: string[]
  readonly failures: unknown[]
  readonly closing: AbortController
  /** May be replaced. */
  on: { extend: (leases: readonly string[]) => Promise<readonly boolean[]> }
}

function keeping(): Keeping {
  const clock = virtualClock()
  const [calls, lost, failures]: [(readonly string[])[], string[], unknown[]] = [[], [], []]
  const closing = new AbortController()
  const on: Keeping['on'] = { extend: async leases => leases.map(() => true) }
  const keeper = new LeaseKeeper<string>({
    clock,
    leaseMs,
    signal: closing.signal,
    extend: leases => {
      calls.push(leases)
      return on.extend(leases)
    },
    onLost: lease => void lost.push(lease),
    onFailure: error => void failures.push(error),
  })
  return { clock, keeper, calls, lost, failures, closing, on }
}

describe('kept leases', () => {
  it('are prolonged together, each third of a lease', async () => {
    const { clock, keeper, calls } = keeping()
    keeper.keep('a')
    keeper.keep('b')
    await clock.advance(999)
    expect(calls).toEqual([])
    await clock.advance(2001)
    expect(calls).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ])
  })

  it('are no longer prolonged once forgotten', async () => {
    const { clock, keeper, calls } = keeping()
    keeper.keep('a')
    expect(keeper.forget('a')).toBe(true)
    expect(keeper.forget('a')).toBe(false)
    await clock.advance(10_000)
    expect(calls).toEqual([])
  })

  it('are said to be lost once', async () => {
    const { clock, keeper, lost, on } = keeping()
    on.extend = async leases => leases.map(lease => lease !== 'a')
    keeper.keep('a')
    keeper.keep('b')
    await clock.advance(5000)
    expect(lost).toEqual(['a'])
  })

  it('are not lost by an answer about the time before they were kept anew', async () => {
    const { clock, keeper, lost, on } = keeping()
    let answer: (extended: readonly boolean[]) => void = () => undefined
    on.extend = () => new Promise(resolve => (answer = resolve))
    keeper.keep('a')
    await clock.advance(1000)
    keeper.forget('a')
    keeper.keep('a')
    answer([false])
    await clock.settle()
    expect(lost).toEqual([])
  })

  it('are tried again at the next third when a call fails', async () => {
    const { clock, keeper, calls, lost, failures, on } = keeping()
    on.extend = () => Promise.reject(new Error('away'))
    keeper.keep('a')
    await clock.advance(2000)
    expect([calls.length, failures.length, lost.length]).toEqual([2, 2, 0])
  })

  it('run out once closing has begun', async () => {
    const { clock, keeper, calls, closing } = keeping()
    keeper.keep('a')
    closing.abort()
    await clock.advance(10_000)
    keeper.keep('b')
    await clock.advance(10_000)
    expect(calls).toEqual([])
  })
})
