import type { Clock } from '@mekong/core'
import type { Sql } from '@mekong/postgres'
import type { Flow, Step } from '../declare/flow.ts'
import type { InstanceStore } from '../store/instance-store.ts'
import type { DueTimer, TimerStore } from '../store/timer-store.ts'
import type { SagaSignal } from './saga-signal.ts'
import type { StepArrival, StepReport } from './step-runner.ts'
import { timeoutCause } from './timeout-cause.ts'

export interface TimeoutsParts {
  readonly flow: Flow
  /** The steps of this service that have a timeout. */
  readonly steps: readonly Step[]
  readonly sql: Sql
  readonly instances: InstanceStore
  readonly timers: TimerStore
  readonly runStep: (arrived: StepArrival) => Promise<StepReport>
  readonly clock: Clock
  /** How long one handler may take, in milliseconds. */
  readonly timeoutMs: number
  readonly observe: (signal: SagaSignal) => void
}

/** How many timers are fetched at once, and how many of them fire at once. */
const batch = 64
const concurrency = 4

/**
 * Fires what is due; resolves with how many fired. Each timer fires in one process only: its instance is locked, and its
 * row goes with the transaction of its effect. A lock that somebody holds is passed by: an event is on its way through.
 */
export async function runDueTimeouts(parts: TimeoutsParts, stop: AbortSignal): Promise<number> {
  const { flow, sql, timers } = parts
  const steps = parts.steps.map(({ name }) => name)
  let fired = 0
  for (let firedNow = 1; firedNow > 0 && !stop.aborted; fired += firedNow) {
    const due = await timers.due(sql.query, { saga: flow.name, steps, limit: batch })
    firedNow = await fireAll(parts, due, stop)
  }
  return fired
}

async function fireAll(parts: TimeoutsParts, due: readonly DueTimer[], stop: AbortSignal): Promise<number> {
  const waiting = [...due]
  let fired = 0
  const work = async (): Promise<void> => {
    for (let timer = waiting.shift(); timer !== undefined && !stop.aborted; timer = waiting.shift()) {
      if (await fireOrPostpone(parts, timer)) fired++
    }
  }
  // All of them end before this does, also when one of them lost the database.
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, work))
  for (const worker of ended) if (worker.status === 'rejected') throw worker.reason
  return fired
}

async function fireOrPostpone(parts: TimeoutsParts, timer: DueTimer): Promise<boolean> {
  try {
    return await fire(parts, timer)
  } catch (error) {
    parts.observe({ is: 'timeout-failed', step: timer.step, instance: timer.id.instance, error })
    await parts.timers.postpone(parts.sql.query, timer)
    return false
  }
}

async function fire(parts: TimeoutsParts, timer: DueTimer): Promise<boolean> {
  const { flow, sql, instances, timers, clock, timeoutMs, observe, runStep } = parts
  const step = parts.steps.find(({ name }) => name === timer.step)
  if (step === undefined) return false
  const deadline = new AbortController()
  const cancel = clock.after(timeoutMs, () =>
    deadline.abort(new DOMException('The timeout handler took too long', 'TimeoutError')),
  )
  const report = await sql
    .transaction(
      async tx => {
        const steps = await instances.tryLock(tx.query, timer.id)
        const armed = steps && (await timers.find(tx.query, timer))
        if (steps === undefined || armed === undefined) return undefined
        const cause = timeoutCause(armed, [flow.name, timer.step, timer.id.instance])
        const arrived = {
          step,
          instance: timer.id.instance,
          arrival: { is: 'timeout' as const },
          cause,
          attempt: armed.attempts + 1,
        }
        const done = await runStep({ ...arrived, signal: deadline.signal, context: undefined, tx, steps })
        deadline.signal.throwIfAborted()
        return done
      },
      { idleTimeoutMs: timeoutMs },
    )
    .finally(cancel)
  if (report !== undefined) observe({ is: 'step', ...report })
  return report !== undefined
}

/** Looks every `pollMs` until `stop` aborts; resolves when the last look is done. Never rejects. */
export async function pollTimeouts(parts: TimeoutsParts, pollMs: number, stop: AbortSignal): Promise<void> {
  for (;;) {
    await pause(parts.clock, pollMs, stop)
    if (stop.aborted) return
    try {
      await runDueTimeouts(parts, stop)
    } catch (error) {
      parts.observe({ is: 'timeouts-unavailable', error })
    }
  }
}

function pause(clock: Clock, ms: number, stop: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (stop.aborted) return resolve()
    const end = (): void => {
      cancel()
      stop.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    stop.addEventListener('abort', end, { once: true })
  })
}
