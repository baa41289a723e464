import { setTimeout as delay } from 'node:timers/promises'
import type { WaitStrategy } from 'testcontainers'
import type { ContainerRun } from './container-log.ts'

/**
 * Lets testcontainers return when the container runs: what its server logs is followed here anyway, for restarts too,
 * which testcontainers' own waiting answers by removing a container that is late.
 */
export const containerRuns: WaitStrategy = {
  waitUntilReady: async () => {},
  withStartupTimeout: () => containerRuns,
  isStartupTimeoutSet: () => false,
  getStartupTimeout: () => 0,
}

/** Resolves when the server takes connections. Rejects with what is wrong when it does not in time. */
export async function untilReady(run: ContainerRun, timeoutMs: number): Promise<void> {
  const waiting = new AbortController()
  const late = delay(timeoutMs, 'late' as const, { signal: waiting.signal })
  late.catch(() => {})
  const outcome = await Promise.race([late, run.ready])
  waiting.abort()
  if (outcome === 'late') throw new Error(`it took no connections within ${timeoutMs} ms`)
  if (!outcome) throw new Error('it ended at once')
}
