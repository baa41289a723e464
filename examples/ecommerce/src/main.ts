import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openPostgres } from '@mekong/stack'
import { type CliOptions, readOptions, UsageError } from './cli/options.ts'
import { createProgress } from './cli/progress.ts'
import { InputRefused } from './intake/read-lines.ts'
import { survey, type Survey } from './intake/read-orders.ts'
import { writeReport } from './output/report.ts'
import { summarise } from './output/summary.ts'
import { summaryTable } from './output/summary-table.ts'
import { writeLedgers } from './output/write-ledgers.ts'
import { runShop } from './run/run-shop.ts'

/** 0: every invariant holds. 1: one does not. 2: what was typed or given is wrong, and nothing was started. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd())
  if (options === undefined) return 0
  // A file that cannot be used is refused before any server is started.
  const surveyed = await survey(options.files)
  const folder = await outFolder(options.out)
  const summary = await runAndWrite(options, surveyed, folder)
  process.stdout.write(`\n${summaryTable(summary)}\n\n`)
  if (summary.unfinished.length > 0) process.stdout.write(`given up, not finished: ${summary.unfinished.join(', ')}\n`)
  process.stdout.write(`ledgers: ${folder}\nreport:  ${pathToFileURL(join(folder, 'report.html')).href}\n`)
  return summary.invariants.every(invariant => invariant.holds) ? 0 : 1
}

async function runAndWrite(options: CliOptions, surveyed: Survey, folder: string): Promise<ReturnType<typeof summarise>> {
  const progress = createProgress(process.stdout)
  await using postgres = await openPostgres()
  await using database = await postgres.createDatabase()
  try {
    const run = { ...options, survey: surveyed, broker: 'memory://shop', databaseUrl: database.url }
    const result = await runShop(run, progress)
    const summary = summarise({ ...run, broker: options.broker }, result)
    await writeLedgers(folder, result.ledgers)
    await writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`)
    await writeReport(join(folder, 'report.html'), summary, result)
    return summary
  } finally {
    progress.close()
  }
}

async function outFolder(wished: string | undefined): Promise<string> {
  if (wished === undefined) return mkdtemp(join(tmpdir(), 'mekong-shop-'))
  await mkdir(wished, { recursive: true })
  return wished
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof InputRefused)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
