import type { TestProject } from 'vitest/node'
import { openPostgres, type Postgres } from './postgres/open-postgres.ts'
import { createServerCoordinator, type ServerCoordinator } from './shared/server-coordinator.ts'
import { sharedServerStarts } from './shared/shared-server-starts.ts'

interface SharedServers {
  readonly postgres: Promise<Postgres>
  readonly coordinator: Promise<ServerCoordinator>
  users: number
}

// Each project of a run evaluates this module anew, in the same process: one of each server is enough for all of them.
const sharedKey = Symbol.for('mekong.stack.shared-servers')
const shared = globalThis as { [sharedKey]?: SharedServers | undefined }

/**
 * For `globalSetup` of vitest projects that need servers. Has a Postgres ready, and the others when they are asked for;
 * ends them with the last project.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const using = (shared[sharedKey] ??= startShared(project.getProvidedContext().runsEverything ?? false))
  using.users++
  project.provide('postgresUrl', (await using.postgres).url)
  project.provide('sharedServersUrl', (await using.coordinator).url)
  return async () => {
    if (--using.users > 0) return
    shared[sharedKey] = undefined
    await Promise.all([(await using.postgres).close(), (await using.coordinator).close()])
  }
}

function startShared(runsEverything: boolean): SharedServers {
  return {
    postgres: openPostgres({ storage: 'memory' }),
    coordinator: startCoordinator(runsEverything),
    users: 0,
  }
}

async function startCoordinator(runsEverything: boolean): Promise<ServerCoordinator> {
  const coordinator = await createServerCoordinator(sharedServerStarts())
  if (runsEverything) void coordinator.warm()
  return coordinator
}
