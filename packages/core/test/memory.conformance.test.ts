import assert from 'node:assert/strict'
import { createMemoryBroker, type Hostility } from '@mekong/core/memory'
import {
  describeDriver,
  driverCases,
  runCase,
  seededRandom,
  seedOfRun,
  type DriverHarness,
} from '@mekong/testing/conformance'
import { describe, expect, it } from 'vitest'

describeDriver('memory', () => harness({}))

/** The worst of all brokers, one vice at a time, then all together. */
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
  describeDriver(`memory with ${name}`, seed => harness({ seed, ...vice }))
}

const common = { publishesLater: false, shuffle: true, notStored: 0.02, partial: 0.02, unknown: 0.05, duplicate: 0.05 }
const everyVice: Readonly<Record<string, Omit<Hostility, 'seed'>>> = {
  'a log': { ...common, redeliversLater: false, lost: 0.02, revoke: 0.03 },
  'a queue': { ...common, affinity: 'in-flight', sameKeyBatch: 'apart', lost: 0.03 },
}

for (const [broker, vice] of Object.entries(everyVice)) {
  describeDriver(`memory with every vice of ${broker}`, seed => harness({ seed, ...vice }))

  describe(`memory with every vice of ${broker}, everything at once`, () => {
    const [stress] = driverCases.find(({ name }) => name === 'all at once')!.cases
    const seeds = seededRandom(seedOfRun())
    it.each(Array.from({ length: 4 }, () => 1 + seeds.below(1_000_000_000)))(
      'keeps what the bus promises with seed %i',
      async seed => {
        expect(await runCase(stress!, harness({ seed, ...vice }), seed)).toEqual({ is: 'passed' })
      },
    )
  })
}

function harness(hostility: Partial<Hostility>): DriverHarness {
  const broker = createMemoryBroker({
    createTopics: 'declared',
    drainTimeoutMs: 300,
    ...(hostility.seed !== undefined && { hostility: { ...hostility, seed: hostility.seed } }),
  })
  const ownsPartitions = (hostility.affinity ?? 'partition') === 'partition'
  let topics = 0
  return {
    createDriver: () => broker.driver(),
    uniqueTopic: prefix => `${prefix}-${++topics}`,
    isHostile: hostility.seed !== undefined,
    stress: { events: 2000, keys: 50 },
    faults: {
      connections: {
        cut: async () => broker.disconnect(),
        restore: async () => broker.reconnect(),
      },
      restartBroker: { cannot: 'it keeps nothing beyond its process' },
      revoke: ownsPartitions
        ? (topic, how) => broker.revoke(topic, how)
        : { cannot: `with affinity ${hostility.affinity} nobody owns a partition` },
      loseHandles: async topic => broker.lose(topic),
    },
    close: async () => assert.deepEqual(broker.violations, []),
  }
}
