import type { TestCase, TestModule, TestSuite } from 'vitest/node'

export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/**
 * Counts a whole run: the tests given, and each file or suite that broke outside of its tests. A test that was skipped
 * without saying why has not passed.
 */
export function countTests(tests: readonly TestCase[], modules: readonly TestModule[], errorsOutside: number): Totals {
  const counted = { passed: 0, failed: errorsOutside + modules.flatMap(brokenSuites).length, skipped: 0 }
  for (const test of tests) counted[outcome(test)]++
  return counted
}

export function isUnexplainedSkip(test: TestCase): boolean {
  const result = test.result()
  return result.state === 'skipped' && (result.note ?? '').trim() === ''
}

/**
 * Ends this process with the totals of a run as the very last line, also when the run breaks.
 */
export async function endWithTotals(run: () => Promise<Totals>): Promise<never> {
  let totals: Totals = { passed: 0, failed: 1, skipped: 0 }
  process.once('exit', () => console.log(totalsLine(totals)))
  totals = await run()
  process.exit(totals.failed === 0 ? 0 : 1)
}

function totalsLine({ passed, failed, skipped }: Totals): string {
  const line = `${passed} passed, ${failed} failed`
  return skipped === 0 ? line : `${line}, ${skipped} skipped`
}

function outcome(test: TestCase): keyof Totals {
  const { state } = test.result()
  if (state === 'passed') return 'passed'
  return state === 'skipped' && !isUnexplainedSkip(test) ? 'skipped' : 'failed'
}

function brokenSuites(module: TestModule): readonly (TestModule | TestSuite)[] {
  return [module, ...module.children.allSuites()].filter(suite => suite.errors().length > 0)
}
