import { describe, expect, it } from 'vitest'
import { all, any, assertSaga, checkSaga, compensated, defineSaga, type FindingKind, type Saga } from '../src/index.ts'
import { flat } from './flat-contract.ts'
import { orderSaga } from './order-saga.ts'
import { tripSaga } from './trip-saga.ts'

describe('checkSaga', () => {
  it('finds nothing wrong with a saga that works', () => {
    expect(checkSaga(orderSaga)).toEqual([])
    expect(checkSaga(tripSaga)).toEqual([])
  })

  it('finds an event that nobody handles', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b', fails: 'c' } },
      ends: { done: 'b' },
    })
    expect(checkSaga(saga)).toEqual([
      {
        kind: 'never-handled',
        about: 'c',
        sentence: '"c" is emitted by "one", but no step handles it and no end names it',
      },
    ])
  })

  it('finds a start event that nobody handles', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: any('a', 'd'),
      steps: { one: { service: 'x', on: 'a', emits: 'b' } },
      ends: { done: 'b' },
    })
    expect(kinds(saga)).toEqual({ 'never-handled': ['d'] })
  })

  it('finds an event that nobody emits, and what therefore cannot start', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b' },
        two: { service: 'y', on: all('b', 'c'), emits: 'd' },
      },
      ends: { done: 'd' },
    })
    expect(kinds(saga)).toEqual({ 'never-emitted': ['c'], 'end-unreachable': ['done'], 'step-unreachable': ['two'] })
  })

  it('finds two services that claim one event', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b' }, two: { service: 'y', on: 'a', emits: 'b' } },
      ends: { done: 'b' },
    })
    expect(checkSaga(saga)).toEqual([
      {
        kind: 'two-services',
        about: 'b',
        sentence: '"b" is emitted by "one" of x and "two" of y: an event belongs to one service',
      },
    ])
  })

  it('finds a step without compensation before one that can fail', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b' }, two: { service: 'y', on: 'b', emits: 'c', fails: 'd' } },
      ends: { done: 'c', undone: compensated('d') },
    })
    expect(kinds(saga)).toEqual({ 'not-compensated': ['one'] })
  })

  it('asks for no compensation where the failure is no compensated end, or there is nothing to undo', () => {
    const steps = { two: { service: 'y', on: 'b', emits: 'c', fails: 'd' } } as const
    const plain = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { ...steps, one: { service: 'x', on: 'a', emits: 'b' } },
      ends: { done: 'c', toClerk: 'd' },
    })
    const nothing = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { ...steps, one: { service: 'x', on: 'a', emits: 'b', compensation: 'none' } },
      ends: { done: 'c', undone: compensated('d') },
    })
    expect(checkSaga(plain)).toEqual([])
    expect(checkSaga(nothing)).toEqual([])
  })

  it('counts a timeout as a failure', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b' },
        two: { service: 'y', on: 'b', emits: 'c', timeout: { afterMs: 1000, since: 'a', emits: 'd' } },
      },
      ends: { done: 'c', late: compensated('d') },
    })
    expect(kinds(saga)).toEqual({ 'not-compensated': ['one'] })
  })

  it('finds a pivot after which something can still fail', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b', pivot: true },
        two: { service: 'y', on: 'b', emits: 'c', fails: 'd' },
      },
      ends: { done: 'c', undone: compensated('d') },
    })
    expect(kinds(saga)).toEqual({ 'pivot-can-fail': ['one'] })
  })

  it('finds a compensation that may fail', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b' },
        two: { service: 'y', on: 'b', emits: 'c', fails: 'd' },
        undo: { service: 'x', on: 'd', emits: 'e', fails: 'f', compensates: 'one' },
      },
      ends: { done: 'c', undone: compensated('e'), toClerk: 'f' },
    })
    expect(kinds(saga)).toEqual({ 'compensation-can-fail': ['undo'] })
  })

  it('finds a step from which no end can be reached', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: any('b', 'c') },
        dead: { service: 'y', on: 'b' },
      },
      ends: { done: 'c' },
    })
    expect(kinds(saga)).toEqual({ 'no-way-out': ['one', 'dead'] })
  })

  it('lets steps that follow an end lead nowhere', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: 'a', emits: 'b' },
        mail: { service: 'y', on: 'b', emits: 'c' },
        count: { service: 'z', on: 'c' },
      },
      ends: { done: 'b' },
    })
    expect(checkSaga(saga)).toEqual([])
  })

  it('finds a loop without a bound, and accepts one with', () => {
    const again = { service: 'x', on: any('a', 'c'), emits: 'b', fails: 'c' } as const
    const ends = { done: 'b' } as const
    const unbounded = defineSaga(flat, { name: 's', starts: 'a', steps: { again }, ends })
    const bounded = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { again: { ...again, limit: { runs: 3, emits: 'd' } } },
      ends: { ...ends, given: 'd' },
    })
    expect(checkSaga(unbounded)).toEqual([
      {
        kind: 'unbounded-loop',
        about: 'again',
        sentence: 'again → again is a loop, and none of its steps has a limit',
      },
    ])
    expect(checkSaga(bounded)).toEqual([])
  })

  it('finds a loop of several steps', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        one: { service: 'x', on: any('a', 'c'), emits: 'b' },
        two: { service: 'y', on: 'b', emits: 'd', fails: 'c' },
      },
      ends: { done: 'd' },
    })
    expect(kinds(saga)).toEqual({ 'unbounded-loop': ['one, two'] })
  })

  it('finds a timeout that nothing arms', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b', timeout: { afterMs: 1, emits: 'c' } } },
      ends: { done: 'b', late: 'c' },
    })
    expect(kinds(saga)).toEqual({ 'timeout-never-starts': ['one'] })
  })

  it('finds names and numbers that the types would have refused', () => {
    const saga = defineSaga(flat, {
      name: 's',
      starts: 'a',
      steps: {
        // @ts-expect-error neither `nobody` nor `z` is there
        'one more': { service: 'x', on: 'a', emits: 'z', compensates: 'nobody', limit: { runs: 0.5, emits: 'b' } },
      },
      // @ts-expect-error `z` is not in the contract
      ends: { done: 'z', given: 'b' },
    })
    expect(kinds(saga as unknown as Saga)).toEqual({
      'unknown-event': ['z'],
      'unknown-step': ['one more'],
      'bad-name': ['one more'],
      'bad-number': ['one more'],
    })
  })
})

describe('assertSaga', () => {
  it('refuses a saga with every finding in one error', () => {
    const saga = defineSaga(flat, {
      name: 'broken',
      starts: 'a',
      steps: { one: { service: 'x', on: 'a', emits: 'b', fails: 'c' } },
      ends: { done: 'b', never: 'd' },
    })
    expect(() => assertSaga(saga)).toThrow(
      expect.objectContaining({
        code: 'SAGA_INVALID',
        message: [
          'the saga "broken" cannot work:',
          '- "c" is emitted by "one", but no step handles it and no end names it (never-handled)',
          '- the end "never" is "d", which no step emits and which does not start the saga (never-emitted)',
          '- the end "never" cannot be reached: nothing leads to "d" (end-unreachable)',
        ].join('\n'),
      }),
    )
    expect(() => assertSaga(orderSaga)).not.toThrow()
  })
})

function kinds(saga: Saga): Partial<Record<FindingKind, readonly string[]>> {
  const found: Partial<Record<FindingKind, string[]>> = {}
  for (const { kind, about } of checkSaga(saga)) (found[kind] ??= []).push(about)
  return found
}
