import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import type { ConnectionSettings, SaslSettings } from '../client/connection-settings.ts'
import type { KafkaClient } from '../client/kafka-client.ts'
import { KafkajsConnection } from './kafkajs-connection.ts'
import { prepareCompression } from './kafkajs-compression.ts'
import { openCluster } from './kafkajs-protocol.ts'
import { quietRequestQueues } from './kafkajs-request-queue.ts'

/**
 * kafkajs 2.2, below its producer and its consumer: its connections and its codecs.
 * @param ready used instead of a client of our own, with the brokers and credentials that it has
 * @throws MekongError INVALID_CONFIGURATION when `ready` is no client of kafkajs 2.2
 */
export function createKafkajsClient(settings: ConnectionSettings, ready?: Kafka): KafkaClient {
  quietRequestQueues()
  const kafka = ready ?? new kafkajs.Kafka(configurationOf(settings))
  // Here, so that what is no client of kafkajs is refused at once.
  openCluster(kafka)
  return {
    name: 'kafkajs',
    native: kafka,
    connect: () => new KafkajsConnection(openCluster(kafka)),
    prepareCompression,
  }
}

function configurationOf({ seeds, clientId, connectTimeoutMs, tls, sasl }: ConnectionSettings): KafkaConfig {
  return {
    clientId,
    brokers: seeds.map(({ host, port }) => `${host}:${port}`),
    connectionTimeout: connectTimeoutMs,
    authenticationTimeout: connectTimeoutMs,
    // The adapter has deadlines of its own; kafkajs would look at every request ten times a second.
    enforceRequestTimeout: false,
    logLevel: kafkajs.logLevel.NOTHING,
    ...(tls !== undefined && { ssl: tls }),
    ...(sasl !== undefined && { sasl: saslOptions(sasl) }),
  }
}

function saslOptions(sasl: SaslSettings): SASLOptions {
  if (sasl.mechanism === 'OAUTHBEARER') {
    return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await sasl.token() }) }
  }
  const { username, password } = sasl
  return { mechanism: sasl.mechanism.toLowerCase() as 'plain', username, password }
}
