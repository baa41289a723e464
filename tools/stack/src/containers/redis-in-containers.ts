import { randomBytes } from 'node:crypto'
import { RedisContainer } from '@testcontainers/redis'
import { onFreePorts } from '../programs/launch-program.ts'
import { createRedisCluster } from '../redis/redis-cluster.ts'
import { redisConfiguration, type RedisSettings } from '../redis/redis-settings.ts'
import type { RedisServer, StartRedisOptions } from '../redis/start-redis.ts'
import type { Server } from '../server.ts'
import { groupServers, startTogether } from '../server-group.ts'
import { type ContainerSession, containerSession } from './container-session.ts'
import { images } from './images.ts'
import { launchContainer } from './launch-container.ts'

interface RedisNode {
  readonly containerName: string
  /** The same inside and outside: nodes of a cluster tell clients and each other one port. */
  readonly port: number
  readonly url: string
  readonly settings: RedisSettings
  readonly options: StartRedisOptions
}

const configurationFile = '/etc/mekong-redis.conf'

/** As `startRedis`, always in containers. `storage` means nothing here: the data are in volumes of their own. */
export async function startRedisInContainers(options: StartRedisOptions = {}): Promise<RedisServer> {
  if (options.nodes === 3) return onFreePorts(6, ports => startCluster(ports, options))
  const server = await onFreePorts(1, ([port = 0]) => startNode(planNode(port, options)))
  return Object.assign(server, { nodes: [server] })
}

async function startCluster(ports: readonly number[], options: StartRedisOptions): Promise<RedisServer> {
  const planned = ports.slice(0, ports.length / 2).map((port, index) => {
    const node = planNode(port, options)
    return { ...node, settings: clusterSettings(ports[ports.length / 2 + index] ?? 0) }
  })
  const nodes = await startTogether(planned.map(startNode))
  const cluster = groupServers(nodes[0]?.url ?? '', nodes)
  try {
    await joinCluster(await containerSession(), planned, options.password)
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return Object.assign(cluster, { nodes })
}

function planNode(port: number, options: StartRedisOptions): RedisNode {
  const credentials = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
  return {
    containerName: `mekong-redis-${randomBytes(6).toString('hex')}`,
    port,
    url: `redis://${credentials}127.0.0.1:${port}`,
    settings: {},
    options,
  }
}

function clusterSettings(busPort: number): RedisSettings {
  return {
    'cluster-enabled': true,
    'cluster-port': busPort,
    // For clients, which do not reach the addresses by which the nodes find each other.
    'cluster-announce-hostname': '127.0.0.1',
    'cluster-preferred-endpoint-type': 'hostname',
  }
}

function startNode({ containerName, port, url, settings, options }: RedisNode): Promise<Server> {
  const { password, startTimeoutMs = 30_000 } = options
  const configuration = redisConfiguration({
    port,
    // Outside the engine the port is open on 127.0.0.1 only.
    bind: '*',
    'protected-mode': false,
    ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
    ...settings,
    ...options.settings,
  })
  return launchContainer({
    name: 'Redis',
    containerName,
    container: new RedisContainer(images.redis)
      .withCopyContentToContainer([{ content: configuration, target: configurationFile }])
      .withCommand(['redis-server', configurationFile]),
    ports: [{ container: port, host: port }],
    url,
    readyPattern: /Ready to accept connections/,
    shutdownSignal: 'SIGTERM',
    startTimeoutMs,
    environmentVariable: 'MEKONG_REDIS_URL',
  })
}

async function joinCluster(
  { client, network }: ContainerSession,
  planned: readonly RedisNode[],
  password: string | undefined,
): Promise<void> {
  const containers = planned.map(({ containerName }) => client.container.getById(containerName))
  const nodes = await Promise.all(
    containers.map(async (container, index) => {
      const { NetworkSettings } = await container.inspect()
      return { host: NetworkSettings.Networks[network]?.IPAddress ?? '', port: planned[index]?.port ?? 0 }
    }),
  )
  const ask = async (command: readonly string[]): Promise<string> => {
    const [first] = containers
    if (first === undefined) throw new Error('A cluster without nodes')
    const env = password === undefined ? {} : { REDISCLI_AUTH: password }
    const { exitCode, output } = await client.container.exec(first, ['redis-cli', ...command], { env })
    if (exitCode !== 0) throw new Error(`redis-cli ended with code ${exitCode}: ${output}`)
    return output
  }
  await createRedisCluster({ nodes, ask })
}
