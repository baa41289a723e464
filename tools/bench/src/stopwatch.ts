export interface Stopwatch {
  /** From now on. */
  start(): void
  /** Since the last start: wall time, and CPU time of this process, all threads, user and system. */
  read(): { readonly tookMs: number; readonly cpuMs: number }
}

/** The one of this process, which measures once. */
export const stopwatch: Stopwatch = createStopwatch()

function createStopwatch(): Stopwatch {
  let startedAt = performance.now()
  let cpuBefore = process.cpuUsage()
  return {
    start() {
      startedAt = performance.now()
      cpuBefore = process.cpuUsage()
    },
    read() {
      const tookMs = performance.now() - startedAt
      const { user, system } = process.cpuUsage(cpuBefore)
      return { tookMs, cpuMs: (user + system) / 1000 }
    },
  }
}
