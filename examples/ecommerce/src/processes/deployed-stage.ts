import { setTimeout as delay } from 'node:timers/promises'
import { UsageError } from '../cli/options.ts'
import type { ServiceName } from '../platform/open-service.ts'
import type { OpenStage } from '../run/stage.ts'
import { serviceNames } from '../shop-services.ts'
import { type RemoteService, remoteService } from './remote-service.ts'
import { RemoteShop } from './remote-shop.ts'

export interface DeployedStageOptions {
  /** Where each service answers, with `{service}` for its name. */
  readonly services: string
  /** The database of all services, for the audit. */
  readonly databaseUrl: string | undefined
}

const readyPollMs = 250
const readyWithinMs = 120_000

/** Services that somebody else has started, and will end. */
export function deployedStage({ services, databaseUrl }: DeployedStageOptions): OpenStage {
  return async ({ progress }) => {
    if (databaseUrl === undefined) throw new UsageError('--services needs DATABASE_URL: the ledgers are read there')
    const remotes = new Map(serviceNames.map(name => [name, remoteService(services.replaceAll('{service}', name))]))
    progress.tell(`waiting for ${serviceNames.join(', ')}`)
    await Promise.all([...remotes].map(([name, remote]) => untilReady(name, remote)))
    const broken = new Promise<never>(() => undefined)
    const shop = new RemoteShop({ remoteOf: name => remotes.get(name), broken })
    return { shop, databaseUrl, trouble: undefined, [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() }
  }
}

async function untilReady(name: ServiceName, remote: RemoteService): Promise<void> {
  const deadline = performance.now() + readyWithinMs
  while (!(await remote.isReady())) {
    if (performance.now() > deadline) throw new UsageError(`${name} was not ready within ${readyWithinMs / 1000} s`)
    await delay(readyPollMs)
  }
}
