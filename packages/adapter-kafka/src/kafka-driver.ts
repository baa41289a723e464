import type {
  Adapter,
  Capabilities,
  Consumer,
  Driver,
  FailureClass,
  Fate,
  Outgoing,
  Sink,
  SubscribeOptions,
  TopologyDifference,
  TopologyWish,
} from '@mekong/core/driver'
import type { Kafka } from 'kafkajs'
import type { KafkaClient, KafkaConnection } from './client/kafka-client.ts'
import { KafkaRequestError } from './client/kafka-error.ts'
import { ClusterView } from './cluster-view.ts'
import { capabilitiesOf } from './kafka-capabilities.ts'
import { resolveKafkaOptions, type KafkaOptions, type ResolvedKafkaOptions } from './kafka-driver-options.ts'
import { atStart, classify } from './kafka-failures.ts'
import { Publisher } from './kafka-publisher.ts'
import { subscribeToKafka } from './kafka-subscription.ts'
import { KafkaTopology } from './kafka-topology.ts'
import { parseKafkaUrl } from './kafka-url.ts'
import { createKafkajsClient } from './kafkajs/kafkajs-client.ts'
import { createPlatformaticClient } from './platformatic/platformatic-client.ts'

/**
 * A driver for a Kafka cluster. It connects when it is first used.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function kafka(options: KafkaOptions): Driver {
  const resolved = resolveKafkaOptions(options)
  return new KafkaDriver(openClient(resolved), resolved)
}

/** Opens `kafka://host:port,host:port?…` and, with TLS, `kafka+ssl://user:password@host:port?sasl=scram-sha-512`. */
export const adapter: Adapter = {
  schemes: ['kafka', 'kafka+ssl'],
  async open(url) {
    return kafka(parseKafkaUrl(url))
  },
}

function openClient({ client, connection }: ResolvedKafkaOptions): KafkaClient {
  if (client === 'platformatic') return createPlatformaticClient(connection)
  return createKafkajsClient(connection, client === 'kafkajs' ? undefined : (client as Kafka))
}

class KafkaDriver implements Driver {
  readonly name = 'kafka'
  readonly capabilities: Capabilities
  readonly native: unknown
  readonly #client: KafkaClient
  readonly #options: ResolvedKafkaOptions
  readonly #connection: KafkaConnection
  readonly #publisher: Publisher
  readonly #topology: KafkaTopology
  readonly #consumers = new Set<Consumer>()
  #preparing: Promise<void> | undefined
  #isClosed = false

  constructor(client: KafkaClient, options: ResolvedKafkaOptions) {
    const { metadataMaxAgeMs, requestTimeoutMs, compression, maxMessageBytes, topics } = options
    this.#client = client
    this.#options = options
    this.native = client.native
    this.capabilities = capabilitiesOf(options)
    const connection = client.connect()
    const view = new ClusterView({ connection, maxAgeMs: metadataMaxAgeMs })
    this.#connection = connection
    this.#publisher = new Publisher({
      connection,
      view,
      compression,
      maxBatchBytes: maxMessageBytes,
      maxRequestBytes: 8 * maxMessageBytes,
    })
    this.#topology = new KafkaTopology({ connection, view, topics, requestTimeoutMs })
  }

  async topology(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference> {
    await this.#ready()
    try {
      return await this.#topology.apply(wish, mode)
    } catch (error) {
      throw atStart(error)
    }
  }

  partitionOf(message: Outgoing): string {
    return this.#publisher.partitionOf(message)
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    if (this.#preparing === undefined) {
      try {
        await this.#ready()
      } catch (error) {
        return batch.map(() => ({ is: 'not-stored', error }))
      }
    }
    return this.#publisher.publish(batch, timeoutMs)
  }

  async subscribe(subscribe: SubscribeOptions, sink: Sink): Promise<Consumer> {
    await this.#ready()
    const consumer = await subscribeToKafka({
      client: this.#client,
      subscribe,
      sink,
      tuning: this.#options.consume,
      onClose: closed => this.#consumers.delete(closed),
    }).catch((error: unknown) => {
      throw atStart(error)
    })
    this.#consumers.add(consumer)
    return consumer
  }

  classify(error: unknown): FailureClass {
    return classify(error)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#publisher.close()
    await Promise.all([...this.#consumers].map(consumer => consumer.close()))
    await this.#connection.close()
  }

  async #ready(): Promise<void> {
    if (this.#isClosed) throw new KafkaRequestError('closed', 'this driver was closed')
    this.#preparing ??= this.#client.prepareCompression(this.#options.compression)
    try {
      await this.#preparing
    } catch (error) {
      this.#preparing = undefined
      throw error
    }
  }
}
