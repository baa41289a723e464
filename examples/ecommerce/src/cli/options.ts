import { statSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, InvalidArgumentError } from 'commander'

export interface CliOptions {
  /** CSV files, in the sequence in which they are read. */
  readonly files: readonly string[]
  /** Undefined: a fresh folder. */
  readonly out: string | undefined
  readonly initialUnits: number
  readonly limitPence: number
  readonly chaosSeed: number | undefined
  readonly broker: string
}

/** What was typed is wrong: one line that names it and what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const ownData = fileURLToPath(new URL('../../data/online-retail', import.meta.url))
const brokers = ['memory']

/**
 * Reads the command line. Relative paths are those of the folder in which the user typed it. Undefined: help was asked
 * for and given.
 * @throws UsageError
 */
export function readOptions(args: readonly string[], userFolder: string): CliOptions | undefined {
  const command = new Command('npm start --')
    .description('Runs real orders through four services (order, inventory, payment, email) by events, and checks every figure.')
    .option('--orders <path>', 'a CSV file, or a folder of them (default: eight days of an online shop, 970 orders)')
    .option('--out <folder>', 'where the ledgers, summary.json and report.html go (default: a fresh folder, printed)')
    .option('--stock <units>', 'units of each product at the start', wholeNumber, 1_000_000)
    .option('--payment-limit <pounds>', 'a larger total is declined', amount, 5000)
    .option('--chaos <seed>', 'duplicates, failing handlers and restarts on purpose; the outcome must be the same', wholeNumber)
    .option('--broker <name>', `what carries the events: ${brokers.join(', ')}`, oneOf('broker', brokers), 'memory')
    .helpOption('--help', 'shows this')
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.helpDisplayed') return undefined
    throw new UsageError(`${error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}; see npm start -- --help`)
  }
  const { orders = ownData, out, stock, paymentLimit, chaos, broker } = command.opts<RawOptions>()
  return {
    files: csvFiles(resolve(userFolder, orders)),
    out: out === undefined ? undefined : outFolder(resolve(userFolder, out)),
    initialUnits: stock,
    limitPence: Math.round(paymentLimit * 100),
    chaosSeed: chaos,
    broker,
  }
}

interface RawOptions {
  readonly orders?: string
  readonly out?: string
  readonly stock: number
  readonly paymentLimit: number
  readonly chaos?: number
  readonly broker: string
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= 1_000_000_000_000) return value
  throw new InvalidArgumentError('It must be a whole number from 0 to 1,000,000,000,000.')
}

function amount(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d{1,2})?$/.test(text) && value <= 1_000_000_000) return value
  throw new InvalidArgumentError('It must be an amount in pounds from 0 to 1,000,000,000, with at most two decimals.')
}

function oneOf(what: string, allowed: readonly string[]): (text: string) => string {
  return text => {
    if (allowed.includes(text)) return text
    throw new InvalidArgumentError(`There is no such ${what}; allowed: ${allowed.join(', ')}.`)
  }
}

function csvFiles(path: string): readonly string[] {
  const entry = statSync(path, { throwIfNoEntry: false })
  if (entry === undefined) throw new UsageError(`--orders: ${path} does not exist; it takes a CSV file or a folder of them`)
  if (!entry.isDirectory()) return [path]
  const files = readdirSync(path).filter(name => name.toLowerCase().endsWith('.csv')).sort()
  if (files.length > 0) return files.map(name => join(path, name))
  throw new UsageError(`--orders: ${path} has no .csv file`)
}

function outFolder(path: string): string {
  const entry = statSync(path, { throwIfNoEntry: false })
  if (entry === undefined || entry.isDirectory()) return path
  throw new UsageError(`--out: ${path} is a file; it takes a folder`)
}
