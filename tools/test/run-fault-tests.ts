// What `npm run test:faults` runs: every fault on the real brokers, also those that take long, and the totals as the last line.
import { runVitest } from './run-vitest.ts'
import { endWithTotals } from './totals.ts'

process.env['MEKONG_FAULTS'] = 'all'
await endWithTotals(() => runVitest(['--project', 'fault', ...process.argv.slice(2)]))
