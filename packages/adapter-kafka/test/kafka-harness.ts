import type { Driver } from '@mekong/core/driver'
import { startKafka, type KafkaServer } from '@mekong/stack'
import type { DriverHarness } from '@mekong/testing/conformance'
import { kafka, type KafkaOptions } from '../src/index.ts'
import { loseMembers, takePartitions } from './support/rebalance.ts'

export interface KafkaHarness extends DriverHarness {
  readonly server: KafkaServer
  brokers(): readonly string[]
}

/** A Kafka of its own, behind a proxy, so that connections can be cut and the broker restarted. */
export async function kafkaHarness(options: Partial<KafkaOptions> = {}): Promise<KafkaHarness> {
  const server = await startKafka({
    proxied: true,
    storage: 'memory',
    settings: { 'num.partitions': 6 },
    // After a kill it looks through each of some 500 partitions: in a container, on a busy machine, 40 s and more.
    startTimeoutMs: 120_000,
  })
  const run = Date.now().toString(36)
  let topics = 0
  const brokers = (): readonly string[] => hostsOf(server.url)
  const createDriver = (): Driver =>
    kafka({ brokers: brokers(), ...options, consume: { heartbeatIntervalMs: 100, ...options.consume } })
  return {
    server,
    brokers,
    createDriver,
    uniqueTopic: prefix => `${prefix}-${run}-${++topics}`,
    faults: {
      connections: {
        cut: async () => void (await Promise.all(server.proxies.map(proxy => proxy.refuse()))),
        restore: async () => void (await Promise.all(server.proxies.map(proxy => proxy.accept()))),
      },
      restartBroker: async () => {
        await server.kill('SIGKILL')
        await server.restart()
      },
      revoke: (topic, how) => (how === 'drain' ? takePartitions : loseMembers)(hostsOf(server.directUrl), topic),
      loseHandles: { cannot: 'a message has no handle of its own: it is ours as long as its partition' },
    },
    timeFactor: 2,
    patienceMs: 15_000,
    close: () => server.stop(),
  }
}

export function hostsOf(url: string): readonly string[] {
  return url.replace(/^[^/]*\/\/(?:[^@]*@)?/, '').split(',')
}
