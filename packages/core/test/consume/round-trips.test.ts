import { describe, expect, it } from 'vitest'
import { RoundTrips } from '../../src/consume/round-trips.ts'
import { virtualClock } from '../virtual-clock.ts'

interface Asking {
  readonly trips: RoundTrips<number, string>
  readonly calls: (readonly number[])[]
  readonly failures: unknown[]
  readonly clock: ReturnType<typeof virtualClock>
  readonly closing: AbortController
  on: { call: (items: readonly number[]) => Promise<readonly string[]> }
}

function asking(): Asking {
  const clock = virtualClock()
  const calls: (readonly number[])[] = []
  const failures: unknown[] = []
  const closing = new AbortController()
  const on: Asking['on'] = { call: async items => items.map(String) }
  const trips = new RoundTrips<number, string>({
    clock,
    signal: closing.signal,
    onFailure: error => void failures.push(error),
    call: items => {
      calls.push(items)
      return on.call(items)
    },
  })
  return { trips, calls, failures, clock, closing, on }
}

describe('round trips', () => {
  it('take along whatever is asked in one turn, and while one is under way', async () => {
    const { trips, calls, on } = asking()
    let answer: () => void = () => undefined
    on.call = items => new Promise(resolve => (answer = () => resolve(items.map(String))))
    const first = Promise.all([trips.ask(1), trips.askAll([2, 3])])
    await Promise.resolve()
    const second = Promise.all([trips.ask(4), trips.ask(5)])
    answer()
    expect(await first).toEqual(['1', ['2', '3']])
    answer()
    expect(await second).toEqual(['4', '5'])
    expect(calls).toEqual([
      [1, 2, 3],
      [4, 5],
    ])
  })

  it('are bounded', async () => {
    const { trips, calls } = asking()
    const items = Array.from({ length: 2500 }, (_, index) => index)
    expect(await trips.askAll(items)).toEqual(items.map(String))
    expect(calls.map(call => call.length)).toEqual([1000, 1000, 500])
  })

  it('are repeated with growing pauses until the store answers, and as often as it answers nonsense', async () => {
    const { trips, calls, failures, clock, on } = asking()
    on.call = () => Promise.reject(new Error('away'))
    const answer = trips.ask(1)
    await clock.advance(50 + 100 + 200)
    on.call = async () => []
    await clock.advance(400)
    on.call = async items => items.map(String)
    await clock.advance(800)
    expect(await answer).toBe('1')
    expect([calls.length, failures.length]).toEqual([6, 5])
  })

  it('end unanswered when closing gives up', async () => {
    const { trips, clock, closing, on } = asking()
    on.call = () => Promise.reject(new Error('away'))
    const answers = Promise.all([trips.ask(1), trips.ask(2)])
    await clock.settle()
    closing.abort()
    expect(await answers).toEqual([undefined, undefined])
    expect(await trips.ask(3)).toBeUndefined()
    await trips.idle()
  })

  it('are idle when everything is answered', async () => {
    const { trips, clock, on } = asking()
    await trips.idle()
    let answer: () => void = () => undefined
    on.call = items => new Promise(resolve => (answer = () => resolve(items.map(String))))
    void trips.ask(1)
    let isIdle = false
    void trips.idle().then(() => (isIdle = true))
    await clock.settle()
    expect(isIdle).toBe(false)
    answer()
    await clock.settle()
    expect(isIdle).toBe(true)
  })
})
