import { virtualClock } from '@mekong/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { DueQueue } from '../../src/memory/due-queue.ts'

it('runs everything at its time, ties in the order in which they were added', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), async delays => {
      const clock = virtualClock()
      const due = new DueQueue(clock)
      const ran: { at: number; index: number }[] = []
      for (const [index, delay] of delays.entries()) due.after(delay, () => ran.push({ at: clock.monotonic(), index }))
      await clock.advance(20)
      const expected = delays
        .map((at, index) => ({ at, index }))
        .toSorted((one, other) => one.at - other.at || one.index - other.index)
      expect(ran).toEqual(expected)
    }),
  )
})

it('runs what is added for an earlier time, and what is added while it runs', async () => {
  const clock = virtualClock()
  const due = new DueQueue(clock)
  const ran: string[] = []
  due.after(10, () => ran.push('late'))
  due.after(5, () => {
    ran.push('soon')
    due.after(0, () => ran.push('at once'))
  })
  await clock.advance(5)
  expect(ran).toEqual(['soon', 'at once'])
  await clock.advance(5)
  expect(ran).toEqual(['soon', 'at once', 'late'])
  expect(clock.pending).toBe(0)
})

it('keeps the process alive only while somebody waits', () => {
  const kinds: (string | undefined)[] = []
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms, _run, background) => {
      kinds.push(background)
      return () => {}
    },
  }
  const due = new DueQueue(clock)
  due.after(5, () => {})
  due.isAwaited = true
  due.isAwaited = false
  expect(kinds).toEqual(['background', undefined, 'background'])
})
