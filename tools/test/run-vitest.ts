import { parseCLI, startVitest, type Reporter } from 'vitest/node'
import { countTests, isUnexplainedSkip, type Totals } from './totals.ts'

const broken: Totals = { passed: 0, failed: 1, skipped: 0 }

/**
 * Runs vitest in this process over all projects.
 *
 * @param args those of `vitest run`: filters and options
 */
export async function runVitest(args: readonly string[]): Promise<Totals> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args])
  const counting = countingReporter(options.testNamePattern !== undefined)
  const vitest = await startVitest('test', filter, {
    ...options,
    allowOnly: false,
    reporters: ['default', counting.reporter],
  })
  await vitest.close()
  return counting.totals()
}

function countingReporter(isPickedByName: boolean): { reporter: Reporter; totals: () => Totals } {
  let totals = broken
  return {
    totals: () => totals,
    reporter: {
      onTestRunEnd(modules, errors) {
        const tests = modules.flatMap(module => [...module.children.allTests()])
        const asked = isPickedByName ? tests.filter(test => !isUnexplainedSkip(test)) : tests
        totals = countTests(asked, modules, errors.length)
        for (const { module, fullName } of asked.filter(isUnexplainedSkip)) {
          console.error(`Skipped without a reason: ${module.relativeModuleId} > ${fullName}`)
        }
      },
    },
  }
}
