import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CliOptions, readOptions, UsageError } from '../../src/cli/options.ts'
import { type TestFolder, testFolder } from '../support/csv-files.ts'

let folder: TestFolder
beforeEach(() => {
  folder = testFolder()
})
afterEach(() => {
  folder[Symbol.dispose]()
  vi.restoreAllMocks()
})

function read(...args: readonly string[]): CliOptions | undefined {
  return readOptions(args, folder.path)
}

function refusalOf(...args: readonly string[]): string {
  try {
    read(...args)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  throw new Error(`${args.join(' ')} was taken`)
}

const optionNames = ['--orders', '--out', '--stock', '--payment-limit', '--chaos', '--kill', '--broker', '--services']

describe('readOptions', () => {
  it('runs the eight days of the shop when nothing is said', () => {
    const options = read()
    expect(options?.files.map(file => basename(file))).toEqual(
      [1, 2, 3, 5, 6, 7, 8, 9].map(day => `2010-12-0${day}.csv`),
    )
    expect(options).toMatchObject({
      out: undefined,
      initialUnits: 1_000_000,
      limitPence: 500_000,
      chaosSeed: undefined,
      killSeed: undefined,
      broker: 'memory',
    })
  })

  it('takes each option', () => {
    folder.write('day.csv', '')
    const typed = '--orders day.csv --out a/b --stock 0 --payment-limit 0.07 --chaos 0 --broker memory'
    const options = read(...typed.split(' '))
    expect(options).toEqual({
      files: [join(folder.path, 'day.csv')],
      out: join(folder.path, 'a/b'),
      initialUnits: 0,
      limitPence: 7,
      chaosSeed: 0,
      killSeed: undefined,
      broker: 'memory',
      services: undefined,
    })
    expect(existsSync(join(folder.path, 'a/b'))).toBe(true)
  })

  it('takes a broker in a process of its own, with kills', () => {
    expect(read('--broker', 'rabbitmq', '--kill', '7')).toMatchObject({
      broker: 'rabbitmq',
      killSeed: 7,
      chaosSeed: undefined,
    })
  })

  it('takes services that run already', () => {
    expect(read('--services', 'http://{service}:8080/')).toMatchObject({ services: 'http://{service}:8080' })
  })

  it.each<[string, number]>([
    ['1.15', 115],
    ['4.35', 435],
    ['1000000000', 100_000_000_000],
  ])('reads a limit of %s pounds as %i pence', (pounds, pence) => {
    expect(read('--payment-limit', pounds)?.limitPence).toBe(pence)
  })

  it('takes the CSV files of a folder by name, and nothing else in it', () => {
    for (const name of ['b.csv', 'a.CSV', 'notes.txt', 'c.csv.gz']) folder.write(name, '')
    expect(read('--orders', '.')?.files.map(file => basename(file))).toEqual(['a.CSV', 'b.csv'])
  })

  const number = 'a whole number from 0 to 1,000,000,000,000'
  it.each<[readonly string[], string, string]>([
    [
      ['--colour', 'red'],
      "'--colour'",
      '--orders, --out, --stock, --payment-limit, --chaos, --kill, --broker, --services',
    ],
    [['--stok', '3'], "'--stok'", 'Did you mean --stock?'],
    [['day.csv'], 'day.csv', 'only options are allowed: --orders'],
    [['--orders'], '--orders <path>', 'argument missing'],
    [['--orders', ''], '--orders', 'a path'],
    [['--orders', 'nothing.csv'], '--orders', 'nothing.csv does not exist; it takes a CSV file or a folder of them'],
    [['--orders', '.'], '--orders', 'has no .csv file; it takes a CSV file or a folder of them'],
    [['--out', ''], '--out', 'a path'],
    [['--stock', '-1'], '--stock', number],
    [['--stock', '1.5'], '--stock', number],
    [['--stock', '1e3'], '--stock', number],
    [['--stock', '1000000000001'], '--stock', number],
    [['--stock', ''], '--stock', number],
    [['--chaos', 'monday'], '--chaos', number],
    [['--chaos', '-7'], '--chaos', number],
    [['--payment-limit', '-0.01'], '--payment-limit', 'an amount in pounds from 0 to 1,000,000,000'],
    [['--payment-limit', '1.234'], '--payment-limit', 'at most two decimals'],
    [['--payment-limit', 'NaN'], '--payment-limit', 'an amount in pounds'],
    [['--broker', 'carrier-pigeon'], 'carrier-pigeon', 'allowed: memory, kafka, rabbitmq'],
    [['--kill', '1'], '--kill', 'needs --broker kafka or rabbitmq'],
    [['--kill', 'x', '--broker', 'kafka'], '--kill', number],
    [['--services', 'order:8080'], '--services', 'a URL like http://{service}:8080'],
    [['--services', 'http://order:8080'], '--services', 'a URL like http://{service}:8080'],
    [['--services', 'http://{service}', '--broker', 'kafka'], '--broker <name>', 'run already (--services)'],
    [['--services', 'http://{service}', '--stock', '1000000'], '--stock <units>', 'run already (--services)'],
    [['--chaos', '1', '--broker', 'kafka'], '--chaos', 'needs --broker memory; with kafka it is --kill <seed>'],
  ])('refuses %j in one line that names %s and says %s', (args, named, allowed) => {
    const message = refusalOf(...args)
    expect(message).toContain(named)
    expect(message).toContain(allowed)
    expect(message).not.toContain('\n')
  })

  it('refuses to write into what is a file', () => {
    folder.write('taken', '')
    expect(refusalOf('--out', 'taken')).toContain(
      `--out: ${join(folder.path, 'taken')} cannot be a folder to write in (EEXIST)`,
    )
    expect(refusalOf('--out', 'taken/deeper')).toContain('(ENOTDIR); it takes a folder')
  })

  it.each(['--help', '-h'])('explains every option on %s, and runs nothing', flag => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    expect(read(flag, '--orders', 'nothing.csv')).toBeUndefined()
    const help = write.mock.calls.map(([text]) => String(text)).join('')
    for (const option of [...optionNames, '--help']) expect(help).toContain(option)
    expect(help).toMatch(/Exit code: 0 .* 1 .* 2 /)
  })

  it.each(optionNames)('has a row for %s in the README', option => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    expect(readme).toMatch(new RegExp(`^\\| \`${option} <`, 'm'))
  })
})
