import type { Server } from '../server.ts'
import { serverWay } from '../server-way.ts'
import type { TcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import type { Storage } from '../temporary-folder.ts'
import { startKafkaFromPrograms } from './kafka-from-programs.ts'
import type { KafkaSettings } from './kafka-settings.ts'

export interface StartKafkaOptions {
  /**
   * 3 makes a cluster in which each partition has three replicas, two of which must have what is acknowledged.
   * @default 1
   */
  readonly nodes?: 1 | 3
  /**
   * Settings of the brokers as in server.properties; they win over the ones of this module.
   * @default {}
   */
  readonly settings?: KafkaSettings
  /**
   * Whether clients come by TLS, and trust `ca`.
   * @default false
   */
  readonly tls?: boolean
  /**
   * Whether clients log in, with `credentials`: by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, as they like.
   * @default false
   */
  readonly sasl?: boolean
  /**
   * Whether there is a proxy before each node, whose address the node tells clients, so that a test can break the
   * network between clients and one node.
   * @default false
   */
  readonly proxied?: boolean
  /**
   * How long a start or restart may take, recovery after a kill included.
   * @default 60000
   */
  readonly startTimeoutMs?: number
  /**
   * Where the data folders are. Containers have their data in volumes of their own, whatever this says.
   * @default 'disk'
   */
  readonly storage?: Storage
}

/** Its `url` names all nodes: kafka://127.0.0.1:20001,127.0.0.1:20002; with TLS it is kafka+ssl. */
export interface KafkaServer extends Server {
  /** Each to be killed alone; of one node the only one. In the order of `url`. */
  readonly nodes: readonly Server[]
  /** The proxy before each node when it was started with `proxied`, else none. They end with the server. */
  readonly proxies: readonly TcpProxy[]
  /** As `url`, but past proxies, TLS and login: for a test to look what is there whatever it has broken. */
  readonly directUrl: string
  /** The certificate, as PEM, that clients must trust with `tls`. */
  readonly ca: string | undefined
  /** The login of `url` with `sasl`. */
  readonly credentials: KafkaCredentials | undefined
}

export interface KafkaCredentials {
  readonly username: string
  readonly password: string
}

/**
 * Starts a Kafka of its own on 127.0.0.1, empty. What it has acknowledged is kept through SIGKILL. Rejects with the
 * last lines of its log when it does not come up.
 */
export async function startKafka(options: StartKafkaOptions = {}): Promise<KafkaServer> {
  if ((await serverWay()) === 'programs') return startKafkaFromPrograms(options)
  const { startKafkaInContainers } = await import('../containers/kafka-in-containers.ts')
  return startKafkaInContainers(options)
}
