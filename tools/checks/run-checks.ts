// What `npm run check` and CI run: each check, then the tests. Arguments pick some: `npm run check -- lint types`.
// The last line are the totals of the tests, each check that failed counted as one more.
import { fileURLToPath } from 'node:url'
import { runVitest } from '../test/run-vitest.ts'
import { endWithTotals } from '../test/totals.ts'
import { runStep } from './run-step.ts'
import { steps } from './steps.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const names = [...steps.map(step => step.name), 'tests']
const picked = process.argv.length > 2 ? process.argv.slice(2) : names

const unknown = picked.filter(name => !names.includes(name))
if (unknown.length > 0) {
  console.error(`There is no check "${unknown.join('", "')}". Use some of: ${names.join(', ')}.`)
  process.exit(2)
}

const failed: string[] = []
for (const step of steps.filter(({ name }) => picked.includes(name))) {
  if (!(await runStep(step, root))) failed.push(step.name)
}
if (failed.length > 0) console.log(`Checks that failed: ${failed.join(', ')}`)

if (picked.includes('tests')) {
  await endWithTotals(async () => {
    const totals = await runVitest([])
    return { ...totals, failed: totals.failed + failed.length }
  })
}
process.exitCode = failed.length === 0 ? 0 : 1
