import { describe, expect, it } from 'vitest'
import type { PreparedEvent } from '../../src/event/event.ts'
import { memorySchedule } from '../../src/schedule/memory-schedule.ts'
import { createScheduleRunner, type ScheduleRunner } from '../../src/schedule/schedule-runner.ts'
import type { ScheduleStore } from '../../src/schedule/schedule-store.ts'
import type { Signal } from '../../src/signal.ts'
import { prepared } from '../publish/publishing.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'

interface Setting {
  readonly clock: VirtualClock
  readonly schedule: ScheduleStore
  readonly runner: ScheduleRunner
  readonly sent: string[]
  readonly signals: Signal[]
  readonly add: (id: string, inMs: number) => Promise<void>
}

function setting(
  parts: {
    readonly send?: (event: PreparedEvent) => Promise<unknown>
    readonly wrap?: (schedule: ScheduleStore) => ScheduleStore
  } = {},
): Setting {
  const clock = virtualClock()
  const memory = memorySchedule(clock)
  const schedule = parts.wrap?.(memory) ?? memory
  const sent: string[] = []
  const signals: Signal[] = []
  const runner = createScheduleRunner({
    schedule,
    owner: 'me',
    clock,
    observe: signal => void signals.push(signal),
    send: async event => {
      sent.push(event.id)
      await parts.send?.(event)
    },
  })
  const add = (id: string, inMs: number): Promise<void> =>
    memory.add([{ event: prepared(id, { size: 1, topic: 'orders' }), dueAt: clock.now() + inMs }])
  return { clock, schedule, runner, sent, signals, add }
}

describe('a schedule runner', () => {
  it('publishes each event when it is due, not before, and once', async () => {
    const { clock, schedule, runner, sent, add } = setting()
    await add('e2', 500)
    await add('e1', 300)
    runner.start()
    await clock.advance(299)
    expect(sent).toEqual([])
    await clock.advance(1)
    expect(sent).toEqual(['e1'])
    await clock.advance(100_000)
    expect(sent).toEqual(['e1', 'e2'])
    expect(await schedule.nextDueAt()).toBeUndefined()
  })

  it('is woken by what this process adds, and sees what others add within a second', async () => {
    const { clock, runner, sent, add } = setting()
    runner.start()
    await clock.settle()
    await add('own', 0)
    runner.wake()
    await clock.settle()
    expect(sent).toEqual(['own'])
    await add('of another process', 0)
    await clock.advance(1000)
    expect(sent).toEqual(['own', 'of another process'])
  })

  it('takes more than one lease full', async () => {
    const { clock, runner, sent, add } = setting()
    for (let n = 0; n < 250; n++) await add(`e${n}`, 10)
    runner.start()
    await clock.advance(10)
    expect(sent).toEqual(Array.from({ length: 250 }, (_, n) => `e${n}`))
  })

  it('keeps an event whose publish failed, and publishes it again when its lease has run out', async () => {
    let failures = 1
    const { clock, schedule, runner, sent, add } = setting({
      send: async event => {
        if (event.id === 'e1' && failures-- > 0) throw new Error('not sent')
      },
    })
    await add('e1', 0)
    await add('e2', 0)
    runner.start()
    await clock.advance(59_000)
    expect(sent).toEqual(['e1', 'e2'])
    await clock.advance(2000)
    expect(sent).toEqual(['e1', 'e2', 'e1'])
    expect(await schedule.nextDueAt()).toBeUndefined()
  })

  it('publishes again what it could not delete', async () => {
    let outages = 1
    const { clock, schedule, runner, sent, signals, add } = setting({
      wrap: schedule => ({
        ...bound(schedule),
        delete: async events => {
          if (outages-- > 0) throw new Error('store gone')
          await schedule.delete(events)
        },
      }),
    })
    await add('e1', 0)
    runner.start()
    await clock.advance(62_000)
    expect(sent).toEqual(['e1', 'e1'])
    expect(signals).toMatchObject([{ is: 'store-unavailable', store: 'schedule' }])
    expect(await schedule.nextDueAt()).toBeUndefined()
  })

  it('comes back with growing pauses while the store is out of reach', async () => {
    const asked: number[] = []
    let isAway = true
    const { clock, runner, sent, add } = setting({
      wrap: schedule => ({
        ...bound(schedule),
        leaseDue: async request => {
          asked.push(clock.monotonic())
          if (isAway) throw new Error('store gone')
          return schedule.leaseDue(request)
        },
      }),
    })
    await add('e1', 0)
    runner.start()
    await clock.advance(20_000)
    expect(asked).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 11_300, 16_300])
    isAway = false
    await clock.advance(5000)
    expect(sent).toEqual(['e1'])
  })

  it('closes after what it leased is published and deleted', async () => {
    const answers: (() => void)[] = []
    const { clock, schedule, runner, sent, add } = setting({
      send: () => new Promise<void>(resolve => answers.push(resolve)),
    })
    await add('e1', 0)
    await add('e2', 10)
    runner.start()
    await clock.settle()
    let isClosed = false
    const closed = runner.close().then(() => (isClosed = true))
    await clock.advance(100)
    expect(isClosed).toBe(false)
    answers[0]!()
    await closed
    await clock.advance(100_000)
    expect(sent).toEqual(['e1'])
    expect(await schedule.nextDueAt()).toBeDefined()
  })

  it('closes at once when nothing is under way, also before it was started, and does not start again', async () => {
    const { clock, runner, sent, add } = setting()
    await runner.close()
    await add('e1', 0)
    runner.start()
    await clock.advance(5000)
    expect(sent).toEqual([])
    const other = setting()
    other.runner.start()
    await other.clock.settle()
    await other.runner.close()
    await other.runner.close()
    await other.add('e1', 0)
    await other.clock.advance(5000)
    expect(other.sent).toEqual([])
  })
})

/** Its methods, for a store that changes one of them. */
function bound(schedule: ScheduleStore): ScheduleStore {
  return {
    durable: schedule.durable,
    add: events => schedule.add(events),
    leaseDue: request => schedule.leaseDue(request),
    delete: events => schedule.delete(events),
    nextDueAt: () => schedule.nextDueAt(),
  }
}
