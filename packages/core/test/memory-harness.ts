import assert from 'node:assert/strict'
import { createMemoryBroker, type Hostility } from '@mekong/core/memory'
import type { DriverHarness } from '@mekong/testing/conformance'

/** A memory broker under the conformance kit, kind or as hostile as asked for. */
export function memoryHarness(hostility: Partial<Hostility> = {}, stress = { events: 2000, keys: 50 }): DriverHarness {
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
    stress,
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
