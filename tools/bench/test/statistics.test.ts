import { describe, expect, it } from 'vitest'
import { inTurn, spread } from '../src/statistics.ts'

describe('spread', () => {
  it('takes the value in the middle', () => {
    expect(spread([30, 10, 20])).toEqual({ median: 20, min: 10, max: 30 })
  })

  it('takes what is between the two in the middle', () => {
    expect(spread([40, 10, 20, 30]).median).toBe(25)
  })

  it('refuses to tell of nothing', () => {
    expect(() => spread([])).toThrow(RangeError)
  })
})

it('lets each contender come first once before one comes first again', () => {
  const firsts = [0, 1, 2].map(round => inTurn(['a', 'b', 'c'], round)[0])
  expect(firsts).toEqual(['a', 'b', 'c'])
  expect(inTurn(['a', 'b', 'c'], 4)).toEqual(['b', 'c', 'a'])
})
