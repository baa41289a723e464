import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

interface RedisClusterOrder {
  /** The program redis-cli. */
  readonly cli: string
  readonly ports: readonly number[]
  readonly password: string | undefined
}

const pollMs = 20
const timeoutMs = 30_000

/** Makes a cluster of running nodes. Resolves when each of them takes commands for every slot. */
export async function createRedisCluster(order: RedisClusterOrder): Promise<void> {
  const addresses = order.ports.map(port => `127.0.0.1:${port}`)
  await ask(order, ['--cluster', 'create', ...addresses, '--cluster-yes'])
  const deadline = performance.now() + timeoutMs
  for (const port of order.ports) {
    while (!(await ask(order, ['-p', String(port), 'cluster', 'info'])).includes('cluster_state:ok')) {
      if (performance.now() > deadline) throw new Error(`The Redis cluster was not ready within ${timeoutMs} ms`)
      await delay(pollMs)
    }
  }
}

async function ask({ cli, password }: RedisClusterOrder, command: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], REDISCLI_AUTH: password }
  return (await promisify(execFile)(cli, [...command], { env, timeout: timeoutMs })).stdout
}
