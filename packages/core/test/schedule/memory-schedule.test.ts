import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memorySchedule } from '../../src/schedule/memory-schedule.ts'
import type { ScheduledEvent } from '../../src/schedule/schedule-store.ts'
import { prepared } from '../publish/publishing.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'

const at = (clock: VirtualClock, id: string, inMs: number): ScheduledEvent => ({
  event: prepared(id, { size: 1, topic: 'orders' }),
  dueAt: clock.now() + inMs,
})
const request = { owner: 'me', leaseMs: 1000, limit: 10 }

describe('memorySchedule', () => {
  it('leases what is due, oldest first, up to the limit', async () => {
    const clock = virtualClock()
    const schedule = memorySchedule(clock)
    await schedule.add([at(clock, 'late', 30), at(clock, 'second', 10), at(clock, 'first', 5), at(clock, 'third', 10)])
    await clock.advance(10)
    const ids = async (limit: number): Promise<string[]> =>
      (await schedule.leaseDue({ ...request, limit })).map(({ event }) => event.id)
    expect(await ids(2)).toEqual(['first', 'second'])
    expect(await ids(2)).toEqual(['third'])
    expect(await ids(2)).toEqual([])
  })

  it('keeps the first of an id', async () => {
    const clock = virtualClock()
    const schedule = memorySchedule(clock)
    await schedule.add([at(clock, 'e', 10)])
    await schedule.add([at(clock, 'e', 0)])
    expect(await schedule.leaseDue(request)).toEqual([])
    expect(await schedule.nextDueAt()).toBe(clock.now() + 10)
  })

  it('hands an expired lease to another with a higher fence, and ignores the first', async () => {
    const clock = virtualClock()
    const schedule = memorySchedule(clock)
    await schedule.add([at(clock, 'e', 0)])
    const first = await schedule.leaseDue(request)
    expect(await schedule.nextDueAt()).toBe(clock.now() + 1000)
    await clock.advance(1000)
    const second = await schedule.leaseDue({ ...request, owner: 'other' })
    expect(second[0]!.fence).toBeGreaterThan(first[0]!.fence)
    await schedule.delete(first)
    expect(await schedule.nextDueAt()).toBeDefined()
    await schedule.delete(second)
    await schedule.delete(second)
    expect(await schedule.nextDueAt()).toBeUndefined()
  })

  it('is bounded, and adds all or nothing', async () => {
    const clock = virtualClock()
    const schedule = memorySchedule(clock, { maxEvents: 2 })
    await schedule.add([at(clock, 'a', 0)])
    await expect(schedule.add([at(clock, 'b', 0), at(clock, 'c', 0)])).rejects.toMatchObject({ code: 'BUFFER_FULL' })
    expect(await schedule.leaseDue(request)).toHaveLength(1)
    expect(() => memorySchedule(clock, { maxEvents: 0 })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIGURATION' }),
    )
  })

  it('gives everything once, in the order of due times, then of arrival', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 20 }), { maxLength: 50 }), async delays => {
        const clock = virtualClock()
        const schedule = memorySchedule(clock)
        for (const [n, delay] of delays.entries()) await schedule.add([at(clock, String(n), delay)])
        await clock.advance(20)
        const taken: string[] = []
        for (let due = await schedule.leaseDue(request); due.length > 0; due = await schedule.leaseDue(request)) {
          taken.push(...due.map(({ event }) => event.id))
          await schedule.delete(due)
        }
        const expected = delays.map((delay, n) => ({ delay, n })).toSorted((a, b) => a.delay - b.delay || a.n - b.n)
        expect(taken).toEqual(expected.map(({ n }) => String(n)))
        expect(await schedule.nextDueAt()).toBeUndefined()
      }),
    )
  })
})
