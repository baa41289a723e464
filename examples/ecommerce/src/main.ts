import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type CliOptions, readOptions, UsageError } from './cli/options.ts'
import { createProgress } from './cli/progress.ts'
import { InputRefused } from './intake/read-lines.ts'
import { survey } from './intake/read-orders.ts'
import type { MailAddress } from './mail/mail-server.ts'
import { writeReport } from './output/report/report.ts'
import { summarise, type Summary } from './output/summary.ts'
import { summaryTable } from './output/summary-table.ts'
import { writeLedgers } from './output/write-ledgers.ts'
import { deployedStage } from './processes/deployed-stage.ts'
import { runShop, type RunResult } from './run/run-shop.ts'
import type { OpenStage } from './run/stage.ts'

/** 0: every invariant holds. 1: one does not. 2: what was typed or given is wrong, and nothing was started. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd())
  if (options === undefined) return 0
  // A file that cannot be used is refused before any server is started.
  const surveyed = await survey(options.files)
  const progress = createProgress(process.stdout, () => performance.now())
  const run = { ...options, survey: surveyed, mail: options.services === undefined ? undefined : mailAddress() }
  const result = await runShop(run, await stageOf(options), progress).finally(() => progress.close())
  const summary = summarise(options, result)
  process.stdout.write(`\n${summaryTable(summary)}\n\n`)
  const folder = options.out ?? (await mkdtemp(join(tmpdir(), 'mekong-shop-')))
  await writeAll(folder, summary, result)
  process.stdout.write(`ledgers: ${folder}\nreport:  ${pathToFileURL(join(folder, 'report.html')).href}\n`)
  return summary.invariants.every(invariant => invariant.holds) ? 0 : 1
}

async function stageOf({ broker, chaosSeed, killSeed, services }: CliOptions): Promise<OpenStage> {
  if (services !== undefined) return deployedStage({ services, databaseUrl: process.env['DATABASE_URL'] })
  // What starts servers is not there where somebody else has started them.
  const [{ oneProcessStage }, { processStage }] = await Promise.all([
    import('./run/one-process/one-process-stage.ts'),
    import('./processes/process-stage.ts'),
  ])
  return broker === 'memory' ? oneProcessStage(chaosSeed) : processStage({ broker, killSeed })
}

/** The services are on other machines then. */
function mailAddress(): MailAddress {
  const given = process.env['MAIL_PORT'] ?? '1025'
  const port = Number(given)
  if (/^\d{1,5}$/.test(given) && port <= 65_535) return { host: '0.0.0.0', port }
  throw new UsageError('MAIL_PORT is not a whole number from 0 to 65,535')
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
