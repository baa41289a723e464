import type { BusRoute } from './bus-route.ts'
import { wait, type Clock } from '../clock.ts'
import type { ScheduleRunner } from '../schedule/schedule-runner.ts'

export interface BusParts {
  readonly routes: readonly BusRoute[]
  readonly schedule: ScheduleRunner | undefined
  /** What still joins, and ends when its group closes; never rejects. */
  readonly joining: Promise<unknown>
  readonly clock: Clock
  /** How long what ignores that time is up is waited for. */
  readonly graceMs: number
}

/**
 * Takes no more, lets handlers finish within `timeoutMs`, settles, leaves, closes the drivers. Whatever fails or does not
 * end does not keep the rest from closing: a handler that ignores its signal is cut off, and its event delivered again.
 * Rejects at the end with the first error.
 */
export async function closeBus(
  { routes, schedule, joining, clock, graceMs }: BusParts,
  timeoutMs: number,
): Promise<void> {
  const endsAt = clock.monotonic() + timeoutMs
  const leftMs = (): number => Math.max(0, endsAt - clock.monotonic())
  const outOfTime = new AbortController()
  const cancel = clock.after(timeoutMs, () => outOfTime.abort())
  const errors: unknown[] = []
  const step = async (ms: number, works: readonly Promise<unknown>[]): Promise<void> => {
    const ended = new AbortController()
    const all = Promise.all(works.map(work => work.catch((error: unknown) => errors.push(error))))
    await Promise.race([all, wait(clock, ms, ended.signal)])
    ended.abort()
  }

  await step(
    leftMs() + graceMs,
    routes.map(({ group }) => group.stop()),
  )
  await step(
    leftMs() + graceMs,
    routes.map(({ group }) => group.drain(outOfTime.signal)),
  )
  await step(leftMs() + graceMs, schedule === undefined ? [] : [schedule.close()])
  await step(
    leftMs() + graceMs,
    routes.map(({ group }) => group.close()),
  )
  await step(leftMs() + graceMs, [joining])
  await Promise.all(routes.map(({ publisher }) => publisher.close(leftMs())))
  await step(
    leftMs() + graceMs,
    routes.map(({ driver }) => driver.close()),
  )
  cancel()
  if (errors.length > 0) throw errors[0]
}
