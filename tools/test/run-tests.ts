// What `npm test` runs: all tests, then their totals as the last line.
import { runVitest } from './run-vitest.ts'
import { endWithTotals } from './totals.ts'

await endWithTotals(() => runVitest(process.argv.slice(2)))
