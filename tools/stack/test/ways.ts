import { afterAll, beforeAll, describe, vi } from 'vitest'
import { containerEngineAnswers } from '../src/containers/container-engine.ts'
import { type ServerWay, serverWay } from '../src/server-way.ts'

// What MEKONG_STACK names, else all that this machine has.
const ways: readonly ServerWay[] = process.env['MEKONG_STACK']
  ? [await serverWay()]
  : (await containerEngineAnswers())
    ? ['programs', 'containers']
    : ['programs']

/** Describes a server once for each way by which it can be started here. */
export function describeByWay(server: string, describeServer: (way: ServerWay) => void): void {
  describe.each(ways)(`${server}, from %s,`, way => {
    beforeAll(() => void vi.stubEnv('MEKONG_STACK', way))
    afterAll(() => void vi.unstubAllEnvs())
    describeServer(way)
  })
}
