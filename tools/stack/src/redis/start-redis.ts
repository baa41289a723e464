import type { Server } from '../server.ts'
import { serverWay } from '../server-way.ts'
import type { Storage } from '../temporary-folder.ts'
import { startRedisFromPrograms } from './redis-from-programs.ts'
import type { RedisSettings } from './redis-settings.ts'

export interface StartRedisOptions {
  /**
   * 3 makes a Redis Cluster, the slots divided among them, without replicas.
   * @default 1
   */
  readonly nodes?: 1 | 3
  /**
   * Asked from every client.
   * @default no password
   */
  readonly password?: string
  /**
   * Settings as in redis.conf; they win over the ones of this module.
   * @default {}
   */
  readonly settings?: RedisSettings
  /**
   * How long a start or restart may take, reading the data included.
   * @default 30000
   */
  readonly startTimeoutMs?: number
  /**
   * Where the data folder is. A container has its data in a volume of its own, whatever this says.
   * @default 'disk'
   */
  readonly storage?: Storage
}

export interface RedisServer extends Server {
  /** The nodes of a cluster, each to be killed alone; otherwise the server itself is the only one. */
  readonly nodes: readonly Server[]
}

/**
 * Starts a Redis of its own on 127.0.0.1, empty. What it has answered is kept through SIGKILL. Rejects with the last
 * lines of its log when it does not come up.
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  if ((await serverWay()) === 'programs') return startRedisFromPrograms(options)
  const { startRedisInContainers } = await import('../containers/redis-in-containers.ts')
  return startRedisInContainers(options)
}
