import type { Clock } from '@mekong/core'
import { gate, type Gate } from './gate.ts'

/**
 * A process in the small: everything that a bus does to the outside goes through its life, so that a case can stop it
 * (as SIGSTOP does) or end it without a farewell (as SIGKILL does) while others go on with the same broker and stores.
 */
export interface Life {
  readonly clock: Clock
  readonly isAlive: boolean
  readonly isRunning: boolean
  /** Begins the call when the process runs, and hands back the answer when it runs then. Of a dead one: never. */
  pass<T>(call: () => Promise<T>): Promise<T>
  pause(): void
  resume(): void
  kill(): void
}

export function life(clock: Clock): Life {
  let state: 'running' | 'paused' | 'killed' = 'running'
  let resumed: Gate = gate()
  resumed.open()
  const running = async (): Promise<void> => {
    while (state === 'paused') await resumed.opened
    if (state === 'killed') await never()
  }
  return {
    get isAlive() {
      return state !== 'killed'
    },
    get isRunning() {
      return state === 'running'
    },
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, run) => {
        let isCancelled = false
        const cancel = clock.after(ms, () => {
          if (state === 'running') return run()
          void running().then(() => (isCancelled ? undefined : run()))
        })
        return () => {
          isCancelled = true
          cancel()
        }
      },
    },
    async pass(call) {
      await running()
      try {
        return await call()
      } finally {
        await running()
      }
    },
    pause() {
      if (state !== 'running') return
      state = 'paused'
      resumed = gate()
    },
    resume() {
      if (state !== 'paused') return
      state = 'running'
      resumed.open()
    },
    kill() {
      state = 'killed'
      resumed.open()
    },
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
