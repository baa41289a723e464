import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stepOf } from '../src/declare/flow.ts'
import { advance, freshStep, type Action, type Arrival, type StepState } from '../src/declare/step-state.ts'

const join = stepOf('join', { service: 's', on: { all: ['a', 'b', 'c'] } })
const timed = stepOf('timed', { service: 's', on: 'a', timeout: { afterMs: 1, since: 'x', emits: 'late' } })
const loop = stepOf('loop', { service: 's', on: { any: ['a', 'b'] }, limit: { runs: 2, emits: 'given-up' } })

describe('a join', () => {
  it('runs once, at the last event it needs, in whatever order and however often they come', () => {
    const arrivals = fc.shuffledSubarray(['a', 'b', 'c', 'a', 'b', 'c', 'a again', 'b again'].map(event), {
      minLength: 8,
      maxLength: 8,
    })
    fc.assert(
      fc.property(arrivals, list => {
        const { actions, last } = follow(join, list)
        expect(actions.filter(action => action === 'run')).toHaveLength(1)
        expect(last.waiting).toEqual([])
        const types = new Set<string>()
        const complete = list.findIndex(arrival => arrival.is === 'event' && types.add(arrival.type).size === 3)
        expect(actions.indexOf('run')).toBe(complete)
      }),
    )
  })

  it('gives the step the data of each event, the first of its type', () => {
    let state = freshStep
    for (const arrival of [event('b'), event('b again'), event('a')]) state = advance(join, state, arrival).state
    const { action, events } = advance(join, state, event('c'))
    expect(action).toBe('run')
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['b', 'data of b'],
      ['a', 'data of a'],
      ['c', 'data of c'],
    ])
  })
})

describe('a timeout', () => {
  it('and the step exclude each other', () => {
    const arrivals: fc.Arbitrary<Arrival[]> = fc.array(
      fc.constantFrom<Arrival>(event('x'), event('a'), { is: 'timeout' }),
    )
    fc.assert(
      fc.property(arrivals, list => {
        const { actions } = follow(timed, list)
        expect(actions.filter(action => action === 'run' || action === 'time-out').length).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('is armed by its event, and disarmed by the step', () => {
    const armed = advance(timed, freshStep, event('x'))
    expect(armed).toMatchObject({ action: 'wait', state: { timer: true } })
    expect(advance(timed, armed.state, event('a'))).toMatchObject({
      action: 'run',
      state: { timer: false, waiting: [] },
    })
  })

  it('is not armed once the step has run, whichever event overtook which', () => {
    const ran = advance(timed, freshStep, event('a'))
    expect(advance(timed, ran.state, event('x'))).toMatchObject({ action: 'surplus', state: { timer: false } })
  })

  it('does nothing where it is not armed', () => {
    expect(advance(timed, freshStep, { is: 'timeout' })).toMatchObject({ action: 'surplus', state: freshStep })
  })
})

describe('a limit', () => {
  it('lets a step run so often, then exhausts it once, then nothing', () => {
    const { actions } = follow(loop, ['a', 'b', 'b again', 'a again', 'a third'].map(event))
    expect(actions).toEqual(['run', 'run', 'exhaust', 'surplus', 'surplus'])
  })

  it('does not count the same event twice', () => {
    const { actions } = follow(loop, ['a', 'a', 'b', 'a'].map(event))
    expect(actions).toEqual(['run', 'duplicate', 'run', 'duplicate'])
  })
})

/** `a again` is another event of the type `a`. */
function event(id: string): Arrival {
  const [type = id] = id.split(' ')
  return { is: 'event', type, id, data: `data of ${id}` }
}

function follow(step: typeof join, arrivals: readonly Arrival[]): { actions: Action[]; last: StepState } {
  const actions: Action[] = []
  let last = freshStep
  for (const arrival of arrivals) {
    const next = advance(step, last, arrival)
    actions.push(next.action)
    last = next.state
  }
  return { actions, last }
}
