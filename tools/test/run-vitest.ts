import { parseCLI, startVitest, type TestModule } from 'vitest/node'
import { countTests, isUnexplainedSkip, type Totals } from './totals.ts'

/**
 * Runs vitest in this process over all projects.
 *
 * @param args those of `vitest run`: filters and options
 */
export async function runVitest(args: readonly string[]): Promise<Totals> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args])
  let modules: readonly TestModule[] = []
  const collecting = { onTestRunEnd: (ended: readonly TestModule[]) => void (modules = ended) }
  const vitest = await startVitest('test', filter, {
    ...options,
    allowOnly: false,
    provide: { ...options.provide, runsEverything: filter.length === 0 && options.testNamePattern === undefined },
    reporters: ['default', collecting],
  })
  await vitest.close()
  const errorsOutside = vitest.state.getUnhandledErrors().length
  const totals = totalsOf(modules, errorsOutside, options.testNamePattern !== undefined)
  return isBroken(totals) ? { ...totals, failed: 1 } : totals
}

/** A run without a single test, or one that vitest gave up without saying where, counts as one failure. */
function isBroken({ passed, failed }: Totals): boolean {
  const gaveUp = process.exitCode !== undefined && process.exitCode !== 0
  return failed === 0 && (passed === 0 || gaveUp)
}

function totalsOf(modules: readonly TestModule[], errorsOutside: number, isPickedByName: boolean): Totals {
  const tests = modules.flatMap(module => [...module.children.allTests()])
  const asked = isPickedByName ? tests.filter(test => !isUnexplainedSkip(test)) : tests
  for (const { module, fullName } of asked.filter(isUnexplainedSkip)) {
    console.error(`Skipped without a reason: ${module.relativeModuleId} > ${fullName}`)
  }
  return countTests(asked, modules, errorsOutside)
}
