import type { Hostility } from '@mekong/core/memory'
import { describeDriver, driverCases, runCase, seededRandom, seedOfRun } from '@mekong/testing/conformance'
import { describe, expect, it } from 'vitest'
import { memoryHarness } from './memory-harness.ts'

describeDriver('memory', () => memoryHarness())

/** The worst of all brokers; one vice at a time is in memory-vices.conformance.test.ts. */
const common = { publishesLater: false, shuffle: true, notStored: 0.02, partial: 0.02, unknown: 0.05, duplicate: 0.05 }
const everyVice: Readonly<Record<string, Omit<Hostility, 'seed'>>> = {
  'a log': { ...common, redeliversLater: false, lost: 0.02, revoke: 0.03 },
  'a queue': { ...common, affinity: 'in-flight', sameKeyBatch: 'apart', lost: 0.03 },
}

for (const [broker, vice] of Object.entries(everyVice)) {
  describeDriver(`memory with every vice of ${broker}`, seed => memoryHarness({ seed, ...vice }))

  describe(`memory with every vice of ${broker}, everything at once`, () => {
    const [stress] = driverCases.find(({ name }) => name === 'all at once')!.cases
    const first = seedOfRun()
    const random = seededRandom(first)
    const seeds = [first, ...Array.from({ length: 3 }, () => 1 + random.below(1_000_000_000))]
    it.each(seeds)('keeps what the bus promises with seed %i', { timeout: 60_000 }, async seed => {
      const harness = memoryHarness({ seed, ...vice })
      expect(await runCase(stress!, harness, seed)).toEqual({ is: 'passed' })
      await harness.close?.()
    })
  })
}
