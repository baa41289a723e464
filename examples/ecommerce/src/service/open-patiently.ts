import { type Clock, isMekongError, systemClock } from '@mekong/core'
import { wait } from '@mekong/core/driver'
import type { Logger } from 'pino'
import type { Dependency, RunningService } from '../platform/open-service.ts'
import { described } from './service-log.ts'

export interface PatientOpening {
  /** Opens the service, or rejects having closed what it opened. Tells what it needs next. */
  readonly open: (needs: (dependency: Dependency) => void) => Promise<RunningService>
  readonly log: Pick<Logger, 'warn'>
  /** Aborted when nobody wants the service any more. */
  readonly ending: AbortSignal
  /** Hears what the service waits for; undefined once it is open. */
  readonly waits: (dependency: Dependency | undefined) => void
  /** For tests. */
  readonly clock?: Clock
}

const firstPauseMs = 250
const longestPauseMs = 5000
/** An attempt that takes longer is told of, as often as this. */
const patienceMs = 3000

/**
 * Opens a service as soon as what it needs is there: tries again, after a doubling pause with jitter, whenever that may pass
 * by itself, and writes down each time what it waits for. Resolves with undefined when it is to end before. Rejects with what
 * waiting does not mend: a setting, a broker's no, a topology that differs.
 */
export async function openPatiently(opening: PatientOpening): Promise<RunningService | undefined> {
  const { log, ending, waits, clock = systemClock } = opening
  for (let attempt = 1, pauseMs = firstPauseMs; !ending.aborted; attempt++) {
    const { opened, needed } = attemptAt({ ...opening, clock })
    try {
      const running = await Promise.race([opened, untilAborted(ending)])
      waits(undefined)
      return running ?? undefined
    } catch (error) {
      if (!isMekongError(error) || !error.retryable) throw error
      const nextInMs = Math.round(pauseMs * (0.5 + Math.random() / 2))
      waits(needed())
      log.warn({ waitsFor: needed(), ...described(error), attempt, nextInMs }, 'cannot start yet')
      await wait(clock, nextInMs, ending)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }
  return undefined
}

interface Attempt {
  readonly opened: Promise<RunningService>
  readonly needed: () => Dependency | undefined
}

/** Never silent for long. */
function attemptAt({ open, log, clock }: PatientOpening & { readonly clock: Clock }): Attempt {
  const startedAt = clock.monotonic()
  let needed: Dependency | undefined
  let cancel: () => void
  const tellLater = (): void => {
    cancel = clock.after(patienceMs, () => {
      log.warn({ waitsFor: needed, waitedMs: Math.round(clock.monotonic() - startedAt) }, 'still waits for an answer')
      tellLater()
    })
  }
  tellLater()
  const opened = open(dependency => (needed = dependency)).finally(() => cancel())
  return { opened, needed: () => needed }
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
