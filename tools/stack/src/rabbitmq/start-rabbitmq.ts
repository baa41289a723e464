import type { Server } from '../server.ts'
import { serverWay } from '../server-way.ts'
import type { TcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import type { Storage } from '../temporary-folder.ts'
import { startRabbitMqFromPrograms } from './rabbitmq-from-programs.ts'
import type { RabbitMqSettings } from './rabbitmq-settings.ts'

export interface StartRabbitMqOptions {
  /**
   * Settings as in rabbitmq.conf; they win over the ones of this module.
   * @default {}
   */
  readonly settings?: RabbitMqSettings
  /**
   * Plugins besides the one of the management API.
   * @default []
   */
  readonly plugins?: readonly string[]
  /**
   * Whether clients come by TLS, and trust `ca`.
   * @default false
   */
  readonly tls?: boolean
  /**
   * Whether there is a proxy between clients and the server, by which a test can break the network.
   * @default false
   */
  readonly proxied?: boolean
  /**
   * How long a start or restart may take, recovery after a kill included.
   * @default 60000
   */
  readonly startTimeoutMs?: number
  /**
   * Where the data folder is. A container has its data in a volume of its own, whatever this says.
   * @default 'disk'
   */
  readonly storage?: Storage
}

/** Its `url` is amqp://user:password@127.0.0.1:20001, with TLS amqps. */
export interface RabbitMqServer extends Server {
  /** Of the management API, with the login of `url`; for `requestManagement`. Never by proxy or TLS. */
  readonly managementUrl: string
  /** As `url`, but past proxy and TLS: for a test to look what is there whatever it has broken. */
  readonly directUrl: string
  /** The one proxy of `url` when it was started with `proxied`, else none. It ends with the server. */
  readonly proxies: readonly TcpProxy[]
  /** The certificate, as PEM, that clients must trust with `tls`. */
  readonly ca: string | undefined
  /**
   * Runs rabbitmqctl on the server, in about a second: `control('set_vm_memory_high_watermark', '0')` raises the memory
   * alarm. Resolves with what it prints, rejects with that when it fails.
   */
  control(...command: readonly string[]): Promise<string>
}

/**
 * Starts a RabbitMQ of its own on 127.0.0.1, with the management API and no queues. Rejects with the last lines of its
 * log when it does not come up.
 *
 * A quorum queue or stream declared less than some seconds before a SIGKILL may be lost: see `syncDeclarations`.
 */
export async function startRabbitMq(options: StartRabbitMqOptions = {}): Promise<RabbitMqServer> {
  if ((await serverWay()) === 'programs') return startRabbitMqFromPrograms(options)
  const { startRabbitMqInContainer } = await import('../containers/rabbitmq-in-container.ts')
  return startRabbitMqInContainer(options)
}
