import { accessSync, constants, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'

export interface CliOptions {
  /** CSV files, in the sequence in which they are read. */
  readonly files: readonly string[]
  /** A folder that exists. Undefined: a fresh one. */
  readonly out: string | undefined
  readonly initialUnits: number
  readonly limitPence: number
  /** What goes wrong on the memory broker; elsewhere it is undefined. */
  readonly chaosSeed: number | undefined
  /** What is killed on a broker of its own process; on the memory broker it is undefined. */
  readonly killSeed: number | undefined
  readonly broker: BrokerName
  /**
   * Where services run that somebody else has started: a URL with `{service}` in place of the name. Undefined: they are
   * started for this run.
   */
  readonly services: string | undefined
}

/** What carries the events. `memory`: everything in one process. */
export type BrokerName = (typeof brokers)[number]

/** What was typed is wrong: one line that names it and what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const ownData = fileURLToPath(new URL('../../data/online-retail', import.meta.url))
const brokers = ['memory', 'kafka', 'rabbitmq'] as const

/**
 * Reads the command line. Relative paths are those of the folder in which the user typed it. Undefined: help was asked
 * for and given.
 * @throws UsageError
 */
export function readOptions(args: readonly string[], userFolder: string): CliOptions | undefined {
  const command = shopCommand()
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.helpDisplayed') return undefined
    throw new UsageError(`${inOneLine(error, command)}; npm start -- --help explains`)
  }
  const options = command.opts<RawOptions>()
  const wrong = wrongTogether(options) ?? uselessWithServices(command)
  if (wrong !== undefined) throw new UsageError(`${wrong}; npm start -- --help explains`)
  const { orders = ownData, out, stock, paymentLimit, chaos, kill, broker, services } = options
  return {
    files: csvFiles(resolve(userFolder, orders)),
    out: out === undefined ? undefined : outFolder(resolve(userFolder, out)),
    initialUnits: stock,
    limitPence: Math.round(paymentLimit * 100),
    chaosSeed: chaos,
    killSeed: kill,
    broker,
    services,
  }
}

function shopCommand(): Command {
  const option = (flags: string, description: string, read: (text: string) => unknown): Option =>
    new Option(flags, description).argParser(read)
  return new Command('npm start --')
    .usage('[options]')
    .description(
      'Runs real orders through four services (order, inventory, payment, email) by events, and checks every figure.',
    )
    .addOption(
      option(
        '--orders <path>',
        'a CSV file, or a folder of them (default: eight days of an online shop, 970 orders)',
        path,
      ),
    )
    .addOption(
      option(
        '--out <folder>',
        'where the ledgers, summary.json and report.html go (default: a fresh folder, printed)',
        path,
      ),
    )
    .addOption(
      option('--stock <units>', 'units of each product at the start', wholeNumber).default(1_000_000, '1,000,000'),
    )
    .addOption(
      option('--payment-limit <pounds>', 'a sale of a larger total is declined', amount).default(5000, '5,000'),
    )
    .addOption(
      option(
        '--chaos <seed>',
        'duplicates, failing handlers and restarts on purpose, with the memory broker; the outcome is the same',
        wholeNumber,
      ),
    )
    .addOption(
      option(
        '--kill <seed>',
        'SIGKILL for services, broker, Postgres and Redis, again and again, with another broker; the outcome is the same',
        wholeNumber,
      ),
    )
    .addOption(
      option(
        '--broker <name>',
        `what carries the events; one of: ${brokers.join(', ')}; all but memory: each service in a process of its own`,
        oneOf('broker', brokers),
      ).default('memory', 'memory'),
    )
    .addOption(
      option(
        '--services <url>',
        'services that run already, as in compose.yaml: where each answers, with {service} for its name; ' +
          'DATABASE_URL is the database of all, and their mail server is this run, at MAIL_PORT (default: 1025)',
        serviceUrl,
      ),
    )
    .helpOption('-h, --help', 'shows this')
    .addHelpText('after', help)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
}

const help = `
Examples:
  npm start
  npm start -- --chaos 7
  npm start -- --broker kafka --kill 7
  npm start -- --orders my-orders.csv --stock 100 --out outcome

Exit code: 0 every invariant holds, 1 one does not, 2 what was typed or given is wrong and nothing was started.`

function inOneLine({ code, message }: CommanderError, command: Command): string {
  const text = message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
  const allowed = command.options.map(option => option.long).join(', ')
  switch (code) {
    case 'commander.unknownOption':
      return `${text}; allowed are ${allowed}`
    case 'commander.excessArguments':
      return `${text}; only options are allowed: ${allowed}`
    default:
      return text
  }
}

interface RawOptions {
  readonly orders?: string
  readonly out?: string
  readonly stock: number
  readonly paymentLimit: number
  readonly chaos?: number
  readonly kill?: number
  readonly broker: BrokerName
  readonly services?: string
}

/** Whoever started the services has decided these. */
const decidedElsewhere = ['stock', 'paymentLimit', 'chaos', 'kill', 'broker']

function uselessWithServices(command: Command): string | undefined {
  if (command.getOptionValue('services') === undefined) return undefined
  const useless = command.options.find(
    option =>
      decidedElsewhere.includes(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === 'cli',
  )
  return useless && `option '${useless.flags}' says nothing to services that run already (--services)`
}

function wrongTogether({ chaos, kill, broker }: RawOptions): string | undefined {
  if (broker === 'memory')
    return kill === undefined
      ? undefined
      : "option '--kill <seed>' needs --broker kafka or rabbitmq: with memory everything is one process"
  return chaos === undefined
    ? undefined
    : `option '--chaos <seed>' needs --broker memory; with ${broker} it is --kill <seed>`
}

function path(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('It must be a path.')
}

function serviceUrl(text: string): string {
  const [isUrl, hasName] = [URL.canParse(text.replaceAll('{service}', 'order')), text.includes('{service}')]
  if (isUrl && hasName && /^https?:/i.test(text)) return text.replace(/\/+$/, '')
  throw new InvalidArgumentError('It must be a URL like http://{service}:8080.')
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

function oneOf<Name extends string>(what: string, allowed: readonly Name[]): (text: string) => Name {
  return text => {
    const name = allowed.find(one => one === text)
    if (name !== undefined) return name
    throw new InvalidArgumentError(`There is no such ${what}; allowed: ${allowed.join(', ')}.`)
  }
}

function csvFiles(path: string): readonly string[] {
  const entry = statSync(path, { throwIfNoEntry: false })
  if (entry === undefined)
    throw new UsageError(`--orders: ${path} does not exist; it takes a CSV file or a folder of them`)
  if (!entry.isDirectory()) return [path]
  const files = readdirSync(path)
    .filter(name => name.toLowerCase().endsWith('.csv'))
    .toSorted()
  if (files.length > 0) return files.map(name => join(path, name))
  throw new UsageError(`--orders: ${path} has no .csv file; it takes a CSV file or a folder of them`)
}

/** Made now: a folder that cannot be written is no reason to stop after the work. */
function outFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true })
    accessSync(path, constants.W_OK)
    return path
  } catch (error) {
    const { code = 'error' } = error as NodeJS.ErrnoException
    throw new UsageError(`--out: ${path} cannot be a folder to write in (${code}); it takes a folder, new or not`)
  }
}
