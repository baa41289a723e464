import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

interface RedisClusterOrder {
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  /** Runs redis-cli with these arguments where it reaches the nodes. Resolves with what it prints. */
  readonly ask: (command: readonly string[]) => Promise<string>
}

const pollMs = 20
const timeoutMs = 30_000

/** Makes a cluster of running nodes. Resolves when each of them takes commands for every slot. */
export async function createRedisCluster({ nodes, ask }: RedisClusterOrder): Promise<void> {
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`)
  await ask(['--cluster', 'create', ...addresses, '--cluster-yes'])
  const deadline = performance.now() + timeoutMs
  for (const { host, port } of nodes) {
    while (!(await ask(['-h', host, '-p', String(port), 'cluster', 'info'])).includes('cluster_state:ok')) {
      if (performance.now() > deadline) throw new Error(`The Redis cluster was not ready within ${timeoutMs} ms`)
      await delay(pollMs)
    }
  }
}

/** For `createRedisCluster`: the program redis-cli of this machine. */
export function redisCli(program: string, password: string | undefined): RedisClusterOrder['ask'] {
  const env = { PATH: process.env['PATH'], REDISCLI_AUTH: password }
  return async command => (await promisify(execFile)(program, [...command], { env, timeout: timeoutMs })).stdout
}
