import type { ConnectionSettings } from '../../src/client/connection-settings.ts'
import type { KafkaClient } from '../../src/client/kafka-client.ts'
import { createKafkajsClient } from '../../src/kafkajs/kafkajs-client.ts'
import { createPlatformaticClient } from '../../src/platformatic/platformatic-client.ts'

export interface ClientCase {
  readonly name: 'kafkajs' | 'platformatic'
  readonly create: (settings: ConnectionSettings) => KafkaClient
}

/** Every client that the adapter runs on: what holds for one must hold for all. */
export const clientCases: readonly ClientCase[] = [
  { name: 'kafkajs', create: settings => createKafkajsClient(settings) },
  { name: 'platformatic', create: createPlatformaticClient },
]

/** For a broker without TLS and login. */
export function plainSettings(seeds: ConnectionSettings['seeds']): ConnectionSettings {
  return { seeds, clientId: 'mekong-test', connectTimeoutMs: 3000, tls: undefined, sasl: undefined }
}
