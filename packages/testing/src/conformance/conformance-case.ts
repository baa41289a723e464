import type { Capabilities } from '@mekong/core/driver'
import { isInjectable, type DriverHarness, type FaultName } from './driver-harness.ts'
import { KeyFailure } from './key-failure.ts'
import { Scene } from './scene.ts'
import { seededRandom } from './seed.ts'

/** One guarantee, as a sentence, and the run that proves it. */
export interface ConformanceCase {
  readonly name: string
  /** Without this fault of the harness the case is skipped, with the reason that the harness gives. */
  readonly needs?: FaultName
  readonly capability?: DeclaredCapability
  readonly run: (scene: Scene) => Promise<void>
}

/** What a broker may lack; then the case asserts instead that asking for it is refused. */
export interface DeclaredCapability {
  readonly isDeclared: (capabilities: Capabilities) => boolean
  readonly isRefused: (scene: Scene) => Promise<void>
}

export interface CaseGroup {
  readonly name: string
  readonly cases: readonly ConformanceCase[]
}

export type CaseResult = { readonly is: 'passed' } | { readonly is: 'skipped'; readonly reason: string }

/**
 * Runs one case on a broker of its own topics.
 * @throws Error with the seed and the end of the journal
 */
export async function runCase(one: ConformanceCase, harness: DriverHarness, seed: number): Promise<CaseResult> {
  const fault = one.needs === undefined ? undefined : harness.faults[one.needs]
  if (fault !== undefined && !isInjectable(fault)) return { is: 'skipped', reason: fault.cannot }
  const scene = await Scene.open(harness, seededRandom(seed).fork(one.name))
  try {
    const isDeclared = one.capability?.isDeclared(scene.capabilities) ?? true
    await (isDeclared ? one.run(scene) : one.capability!.isRefused(scene))
  } catch (error) {
    await scene.close().catch(() => undefined)
    throw failure(error, scene, seed)
  }
  await scene.close().catch((error: unknown) => {
    throw failure(error, scene, seed)
  })
  return { is: 'passed' }
}

function failure(error: unknown, scene: Scene, seed: number): Error {
  const why = error instanceof Error ? error.message : String(error)
  const { journal } = scene
  const lines = error instanceof KeyFailure ? journal.around(error.key, error.event) : journal.tail()
  return new Error(`${why}\nMEKONG_SEED=${seed} repeats it. What happened:\n${lines}`, { cause: error })
}
