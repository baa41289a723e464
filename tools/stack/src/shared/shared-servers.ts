import type { SharedRabbitMq, SharedServer } from './shared-server-starts.ts'

/**
 * The Kafka that all suites of a run share, for those that do it no harm and name their topics after themselves; for
 * test files. The one of MEKONG_KAFKA_URL, else one that is started once a run, when it is first asked for or, in a run
 * of everything, in the background. Rejects with the last lines of its log when that failed.
 */
export function sharedKafka(): Promise<SharedServer> {
  return askCoordinator('kafka')
}

/** As `sharedKafka`. */
export async function sharedRabbitMq(): Promise<SharedRabbitMq> {
  return (await askCoordinator('rabbitmq')) as SharedRabbitMq
}

/** As `sharedKafka`. Whoever shares it flushes nothing. */
export function sharedRedis(): Promise<SharedServer> {
  return askCoordinator('redis')
}

async function askCoordinator(name: string): Promise<SharedServer> {
  const { inject } = await import('vitest') // who starts servers without vitest does not need it
  const response = await fetch(`${inject('sharedServersUrl')}/${name}`)
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as SharedServer
}
