import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launchProgram, onFreePorts } from '../programs/launch-program.ts'
import { neededPrograms } from '../programs/needed-programs.ts'
import type { ProgramServer } from '../server.ts'
import { groupServers, startTogether } from '../server-group.ts'
import { superviseServer } from '../supervised-server.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import { createRedisCluster, redisCli } from './redis-cluster.ts'
import { redisConfiguration, type RedisSettings } from './redis-settings.ts'
import type { RedisServer, StartRedisOptions } from './start-redis.ts'

/** The programs of the package redis-server. */
export interface RedisPrograms {
  readonly 'redis-server': string
  readonly 'redis-cli': string
}

/** A Redis started from the programs on this machine. */
export interface RedisProgramServer extends RedisServer {
  readonly nodes: readonly ProgramServer[]
}

interface RedisNode {
  readonly programs: RedisPrograms
  readonly port: number
  readonly settings: RedisSettings
  readonly options: StartRedisOptions
}

/** As `startRedis`, always from the programs on this machine. */
export async function startRedisFromPrograms(options: StartRedisOptions = {}): Promise<RedisProgramServer> {
  const programs = await neededPrograms({
    server: 'Redis',
    programs: ['redis-server', 'redis-cli'],
    debianPackages: ['redis-server'],
    homebrewFormulas: ['redis'],
    environmentVariable: 'MEKONG_REDIS_URL',
  })
  if (options.nodes === 3) return onFreePorts(6, ports => startCluster(programs, ports, options))
  const server = await onFreePorts(1, ([port = 0]) => startNode({ programs, port, settings: {}, options }))
  return Object.assign(server, { nodes: [server] })
}

async function startCluster(
  programs: RedisPrograms,
  ports: readonly number[],
  options: StartRedisOptions,
): Promise<RedisProgramServer> {
  const clientPorts = ports.slice(0, ports.length / 2)
  const starting = clientPorts.map((port, index) => {
    const busPort = ports[clientPorts.length + index] ?? 0
    return startNode({ programs, port, settings: { 'cluster-enabled': true, 'cluster-port': busPort }, options })
  })
  const nodes = await startTogether(starting)
  const cluster = groupServers(urlOf(clientPorts[0] ?? 0, options.password), nodes)
  try {
    const ask = redisCli(programs['redis-cli'], options.password)
    await createRedisCluster({ nodes: clientPorts.map(port => ({ host: '127.0.0.1', port })), ask })
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return Object.assign(cluster, { nodes })
}

async function startNode(node: RedisNode): Promise<ProgramServer> {
  const { password, startTimeoutMs = 30_000, storage } = node.options
  const supervisor = await startSupervisor({ name: 'redis', storage, endSignal: 'SIGKILL' })
  const file = join(supervisor.folder, 'redis.conf')
  const settings = {
    port: node.port,
    dir: supervisor.folder,
    ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
    ...node.settings,
    ...node.options.settings,
  }
  const launch = {
    name: 'Redis',
    supervisor,
    order: {
      command: node.programs['redis-server'],
      arguments: [file],
      environment: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
      workingFolder: '/',
    },
    readyPattern: /Ready to accept connections/,
    startTimeoutMs,
    remedy: 'Mend what they name, or set MEKONG_REDIS_URL to a Redis that runs.',
  }
  try {
    await writeFile(file, redisConfiguration(settings), { mode: 0o600 })
    const first = await launchProgram(launch)
    const url = urlOf(node.port, password)
    return superviseServer(
      { name: 'Redis', url, supervisor, shutdownSignal: 'SIGTERM', launch: () => launchProgram(launch) },
      first,
    )
  } catch (error) {
    await supervisor.end()
    throw error
  }
}

function urlOf(port: number, password: string | undefined): string {
  const credentials = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  return `redis://${credentials}127.0.0.1:${port}`
}
