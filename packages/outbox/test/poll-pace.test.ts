import { expect, it } from 'vitest'
import { createPollPace } from '../src/poll-pace.ts'

it('looks again after a tenth of the time since anything last happened', () => {
  const pace = createPollPace({ minMs: 1, maxMs: 1000 })
  expect(pace.pauseMs(0)).toBe(1000)
  pace.stir(50_000)
  expect(pace.pauseMs(50_000)).toBe(1)
  expect(pace.pauseMs(50_005)).toBe(1)
  expect(pace.pauseMs(50_200)).toBe(20)
  expect(pace.pauseMs(54_000)).toBe(400)
  expect(pace.pauseMs(90_000)).toBe(1000)
})
