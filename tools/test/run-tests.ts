// Runs vitest over all projects; the last line it prints are the totals of the whole run.
import { parseCLI, startVitest, type Reporter } from 'vitest/node'
import { countTests, isUnexplainedSkip, totalsLine, type Totals } from './totals.ts'

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)])
const isPickedByName = options.testNamePattern !== undefined
let totals: Totals = { passed: 0, failed: 1, skipped: 0 }

const counting: Reporter = {
  onTestRunEnd(modules, errors) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const asked = isPickedByName ? tests.filter(test => !isUnexplainedSkip(test)) : tests
    totals = countTests(asked, modules, errors.length)
    for (const { module, fullName } of asked.filter(isUnexplainedSkip)) {
      console.error(`Skipped without a reason: ${module.relativeModuleId} > ${fullName}`)
    }
  },
}

process.on('exit', () => console.log(totalsLine(totals)))
const vitest = await startVitest('test', filter, { ...options, allowOnly: false, reporters: ['default', counting] })
await vitest.close()
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1)
