import type { ConnectionSettings } from '../client/connection-settings.ts'
import type { KafkaClient } from '../client/kafka-client.ts'
import { PlatformaticConnection } from './platformatic-connection.ts'
import { checkNodeVersion, loadLibrary } from './platformatic-library.ts'

/**
 * @platformatic/kafka, an optional peer, below its producer and its consumer: its connections and its codecs. Those two decide
 * what the driver contract leaves to the bus; docs/decisions/0008 has what they do in outages and rebalances.
 * @throws MekongError INVALID_CONFIGURATION on a Node that it does not run on
 */
export function createPlatformaticClient(settings: ConnectionSettings): KafkaClient {
  checkNodeVersion(process.versions.node)
  return {
    name: '@platformatic/kafka',
    native: nativeOptions(settings),
    connect: () => new PlatformaticConnection(settings),
    // All of its codecs come with it: only the library itself may be missing.
    prepareCompression: async () => void (await loadLibrary()),
  }
}

/** What its own classes take: `new Admin(native)`. The library has no object that stands for the cluster. */
function nativeOptions({ seeds, clientId, connectTimeoutMs, tls, sasl }: ConnectionSettings): object {
  return {
    clientId,
    bootstrapBrokers: seeds.map(({ host, port }) => ({ host, port })),
    connectTimeout: connectTimeoutMs,
    ...(tls !== undefined && { tls, tlsServerName: true }),
    ...(sasl !== undefined && { sasl }),
  }
}
