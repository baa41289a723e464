import type { TestProject } from 'vitest/node'
import { openPostgres, type Postgres } from './postgres/open-postgres.ts'

interface SharedPostgres {
  readonly opening: Promise<Postgres>
  users: number
}

// Each project of a run evaluates this module anew, in the same process: one Postgres is enough for all of them.
const sharedKey = Symbol.for('mekong.stack.shared-postgres')
const shared = globalThis as { [sharedKey]?: SharedPostgres | undefined }

/** For `globalSetup` of vitest projects that need a Postgres. Starts it once a run and ends it with the last project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const using = (shared[sharedKey] ??= { opening: openPostgres({ storage: 'memory' }), users: 0 })
  using.users++
  project.provide('postgresUrl', (await using.opening).url)
  return async () => {
    if (--using.users > 0) return
    shared[sharedKey] = undefined
    await (await using.opening).close()
  }
}
