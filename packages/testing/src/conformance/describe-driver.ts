import { afterAll, describe, it } from 'vitest'
import { driverCases } from './cases/index.ts'
import { runCase } from './conformance-case.ts'
import type { DriverHarness } from './driver-harness.ts'
import { seededRandom, seedOfRun } from './seed.ts'

/** Never reached: each wait of a case ends by itself, with a report. */
const CASE_TIMEOUT_MS = 300_000

/**
 * Declares the whole kit as vitest tests: core and this driver together must keep every guarantee. Call it at the top of
 * `<broker>.conformance.test.ts`. A case whose fault the harness cannot inject is skipped with the harness's reason; a
 * capability that the driver does not declare must be refused. MEKONG_SEED repeats the random choices of a failed run.
 *
 * `harness` may be a function of a seed: then each case gets a harness of its own, so that a broker that chooses by chance
 * repeats a failed case exactly, and cases run at the same time.
 */
export function describeDriver(name: string, harness: DriverHarness | ((seed: number) => DriverHarness)): void {
  const seed = seedOfRun()
  const test = typeof harness === 'function' ? it.concurrent : it
  describe(`${name} keeps what the bus promises`, () => {
    if (typeof harness !== 'function') afterAll(() => harness.close?.())
    for (const group of driverCases) {
      // oxlint-disable-next-line vitest/valid-title -- the kit's names are data
      describe(group.name, () => {
        for (const one of group.cases) {
          test(one.name, { timeout: CASE_TIMEOUT_MS }, async context => {
            const own = typeof harness === 'function' ? harness(seededRandom(seed).fork(one.name).seed) : undefined
            const result = await runCase(one, own ?? (harness as DriverHarness), seed)
            await own?.close?.()
            if (result.is === 'skipped') context.skip(result.reason)
          })
        }
      })
    }
  })
}
