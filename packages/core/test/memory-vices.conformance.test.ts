import type { Hostility } from '@mekong/core/memory'
import { describeDriver } from '@mekong/testing/conformance'
import { memoryHarness } from './memory-harness.ts'

/** One vice at a time; all together are in memory.conformance.test.ts. */
const vices: Readonly<Record<string, Omit<Hostility, 'seed'>>> = {
  'affinity in-flight': { affinity: 'in-flight' },
  'affinity none': { affinity: 'none' },
  'sameKeyBatch apart': { sameKeyBatch: 'apart', partial: 0.05 },
  'no delay': { redeliversLater: false, publishesLater: false },
  'unknown fates that land later': { unknown: 0.1, hang: 0.01 },
  'lost handles': { lost: 0.05 },
  'revocation in mid-handler': { revoke: 0.1 },
  'shuffle across topics': { shuffle: true },
  duplicates: { duplicate: 0.1 },
  'lost connections': { disconnect: 0.02, notStored: 0.05 },
}

for (const [name, vice] of Object.entries(vices)) {
  describeDriver(`memory with ${name}`, seed => memoryHarness({ seed, ...vice }, { events: 600, keys: 30 }))
}
