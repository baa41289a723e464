import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openPostgres } from '@mekong/stack'
import { type CliOptions, readOptions, UsageError } from './cli/options.ts'
import { createProgress } from './cli/progress.ts'
import { InputRefused } from './intake/read-lines.ts'
import { survey, type Survey } from './intake/read-orders.ts'
import { writeReport } from './output/report/report.ts'
import { summarise, type Summary } from './output/summary.ts'
import { summaryTable } from './output/summary-table.ts'
import { writeLedgers } from './output/write-ledgers.ts'
import { runShop, type RunResult } from './run/run-shop.ts'

/** 0: every invariant holds. 1: one does not. 2: what was typed or given is wrong, and nothing was started. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd())
  if (options === undefined) return 0
  // A file that cannot be used is refused before any server is started.
  const surveyed = await survey(options.files)
  const result = await runOnPostgres(options, surveyed)
  const summary = summarise(options, result)
  process.stdout.write(`\n${summaryTable(summary)}\n\n`)
  const folder = options.out ?? (await mkdtemp(join(tmpdir(), 'mekong-shop-')))
  await writeAll(folder, summary, result)
  process.stdout.write(`ledgers: ${folder}\nreport:  ${pathToFileURL(join(folder, 'report.html')).href}\n`)
  return summary.invariants.every(invariant => invariant.holds) ? 0 : 1
}

async function runOnPostgres(options: CliOptions, surveyed: Survey): Promise<RunResult> {
  await using postgres = await openPostgres().catch((cause: Error) => {
    throw new UsageError(cause.message, { cause })
  })
  await using database = await postgres.createDatabase()
  const progress = createProgress(process.stdout, () => performance.now())
  try {
    const run = { ...options, survey: surveyed, broker: 'memory://shop', databaseUrl: database.url }
    return await runShop(run, progress)
  } finally {
    progress.close()
  }
}

async function writeAll(folder: string, summary: Summary, result: RunResult): Promise<void> {
  await writeLedgers(folder, result.ledgers)
  await writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`)
  await writeReport(join(folder, 'report.html'), summary, result)
}

// Whoever reads only the first lines of what is printed, as `head` does, gets the ledgers all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof InputRefused)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
