import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { all, any, compensated, defineSaga, exploreSaga, type Saga, type StepDeclaration } from '../src/index.ts'
import { flowOf } from '../src/declare/flow.ts'
import { isAtRest, nextWorlds, worldAtStart } from '../src/explore/world.ts'
import { flat } from './flat-contract.ts'
import { orderSaga } from './order-saga.ts'
import { tripSaga } from './trip-saga.ts'

describe('exploreSaga', () => {
  it('proves that every order ends in one of its four ways', () => {
    expect(exploreSaga(orderSaga)).toEqual({
      is: 'proved',
      states: 24,
      ends: ['completed', 'rejected', 'cancelled', 'refunded'],
    })
  })

  it('proves a saga with a timeout, a limit and compensations that join', () => {
    expect(exploreSaga(tripSaga)).toMatchObject({ is: 'proved', ends: ['booked', 'expired'] })
  })

  it('finds a compensation that overtakes what it should undo', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        reserve: { service: 'stock', on: 'a', emits: 'b' },
        confirm: { service: 'order', on: 'b', emits: 'c', timeout: { afterMs: 1000, since: 'a', emits: 'd' } },
        release: { service: 'stock', on: 'd', compensates: 'reserve' },
      },
      ends: { done: 'c', expired: compensated('d') },
    })
    const found = exploreSaga(saga)
    expect(found).toMatchObject({ is: 'refuted', why: 'the end "expired" is reached, but "reserve" stays done' })
    expect(found.is === 'refuted' && found.lines).toEqual([
      'a begins',
      'a → confirm: waits',
      'time is up → confirm: timed-out, d',
      'd → release: success',
      'a → reserve: success, b',
      'b → confirm: ignored',
      'the end "expired" is reached, but "reserve" stays done',
    ])
  })

  it('finds nothing wrong once that compensation waits for both', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        reserve: { service: 'stock', on: 'a', emits: 'b' },
        confirm: { service: 'order', on: 'b', emits: 'c', timeout: { afterMs: 1000, since: 'a', emits: 'd' } },
        release: { service: 'stock', on: all('b', 'd'), compensates: 'reserve' },
      },
      ends: { done: 'c', expired: compensated('d') },
    })
    expect(exploreSaga(saga)).toMatchObject({ is: 'proved', ends: ['done', 'expired'] })
  })

  it('finds a run that reaches two ends', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b' }, two: { service: 'y', on: 'a', emits: 'c' } },
      ends: { first: 'b', second: 'c' },
    })
    expect(exploreSaga(saga)).toMatchObject({ is: 'refuted', why: 'two ends are reached: "first" and "second"' })
  })

  it('finds a run that reaches none: a join whose other half failed', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b' },
        two: { service: 'y', on: 'a', emits: 'c', fails: 'd' },
        join: { service: 'z', on: all('b', 'c'), emits: 'e' },
        log: { service: 'z', on: 'd' },
      },
      ends: { done: 'e' },
    })
    expect(exploreSaga(saga)).toMatchObject({
      is: 'refuted',
      why: 'nothing is on its way any more, and no end is reached',
    })
  })

  it('finds what a step beside the one that fails leaves done, which the check cannot see', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b', compensation: 'none' },
        two: { service: 'y', on: 'a', emits: 'c', fails: 'd' },
        three: { service: 'z', on: 'a', emits: 'e' },
        join: { service: 'z', on: all('b', 'c', 'e'), emits: 'f' },
      },
      ends: { done: 'f', undone: compensated('d') },
    })
    expect(exploreSaga(saga)).toMatchObject({
      is: 'refuted',
      why: 'the end "undone" is reached, but "three" stays done',
    })
  })

  it('finds a loop that simply stops', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { again: { service: 'x', on: any('a', 'c'), emits: 'b', fails: 'c' } },
      ends: { done: 'b' },
    })
    expect(exploreSaga(saga)).toMatchObject({
      is: 'refuted',
      why: 'nothing is on its way any more, and no end is reached',
    })
  })

  it('says so when there is more to look at than its bounds allow', () => {
    expect(exploreSaga(orderSaga, { maxStates: 10 })).toEqual({ is: 'bounded', states: 10 })
  })

  it('looks at fewer moments without duplicates, and comes to the same', () => {
    const alone = exploreSaga(tripSaga, { duplicates: false })
    expect(alone).toMatchObject({ is: 'proved', ends: ['booked', 'expired'] })
    expect(alone.states).toBeLessThan(exploreSaga(tripSaga).states)
  })
})

describe('a chain of steps, each compensated by the next failure', () => {
  const chain = fc.integer({ min: 1, max: 3 })

  it('is proved at every length, and refuted with any one compensation left out', () => {
    fc.assert(
      fc.property(chain, fc.nat(), (length, which) => {
        const letters = ['a', 'b', 'c', 'd'] as const
        const steps = Array.from(
          { length },
          (_, index) =>
            [
              [`do${index}`, { service: 'x', on: letters[index]!, emits: letters[index + 1]! }],
              [`undo${index}`, { service: 'x', on: all(letters[index + 1]!, 'g'), compensates: `do${index}` }],
            ] as const,
        ).flat()
        const last = ['last', { service: 'y', on: letters[length]!, emits: 'f', fails: 'g' }] as const
        const saga = (of: readonly (readonly [string, StepDeclaration<keyof typeof flat>])[]): Saga =>
          defineSaga(flat, {
            name: 's',
            starts: 'a',
            steps: Object.fromEntries(of),
            ends: { done: 'f', undone: compensated('g') },
          })
        const left = `undo${which % length}`
        expect(exploreSaga(saga([...steps, last]), { duplicates: false }).is).toBe('proved')
        expect(
          exploreSaga(saga([...steps.filter(([name]) => name !== left), last]), { duplicates: false }),
        ).toMatchObject({
          is: 'refuted',
          why: `the end "undone" is reached, but "do${which % length}" stays done`,
        })
      }),
    )
  })
})

describe('a random run', () => {
  it.each([
    ['order', orderSaga],
    ['trip', tripSaga],
  ] as const)('of the %s saga comes to exactly one end, as its proof says', (_, saga) => {
    const flow = flowOf(saga)
    fc.assert(
      fc.property(fc.constantFrom(...flow.starts), fc.infiniteStream(fc.nat()), (start, choices) => {
        let world = worldAtStart(flow, start)
        for (;;) {
          const next = nextWorlds(flow, world, true)
          const chosen = next[choices.next().value % next.length]
          if (chosen === undefined) break
          world = chosen.world
        }
        expect(isAtRest(world)).toBe(true)
        expect(world.ends.size).toBe(1)
      }),
    )
  })
})
