import type { Clock } from './clock.ts'

/** Between two turns of a loop: ends by time, by `end`, or with the loop's signal. */
export interface Pause {
  wait(ms: number): Promise<void>
  /** Ends the pause that is on, or else does not let the next one begin: news that comes between two pauses is not lost. */
  end(): void
}

/** @param background nobody waits for the loop: its pauses do not keep the process alive */
export function createPause(clock: Clock, signal: AbortSignal, background?: 'background'): Pause {
  let isEnded = false
  let finish: (() => void) | undefined
  const end = (): void => {
    isEnded = true
    finish?.()
  }
  signal.addEventListener('abort', end, { once: true })
  return {
    end,
    wait(ms) {
      if (isEnded || signal.aborted) {
        isEnded = false
        return Promise.resolve()
      }
      return new Promise(resolve => {
        const cancel = clock.after(ms, () => finish?.(), background)
        finish = () => {
          cancel()
          finish = undefined
          isEnded = false
          resolve()
        }
      })
    },
  }
}
