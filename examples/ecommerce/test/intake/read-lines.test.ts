import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputRefused, type NumberedLine, readLines } from '../../src/intake/read-lines.ts'
import { csv, header, rawLine, type TestFolder, testFolder } from '../support/csv-files.ts'

const good = '536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom'

let folder: TestFolder
beforeEach(() => {
  folder = testFolder()
})
afterEach(() => folder[Symbol.dispose]())

async function linesOf(...contents: readonly (string | Uint8Array)[]): Promise<readonly NumberedLine[]> {
  const files = contents.map((content, index) => folder.write(`day${index + 1}.csv`, content))
  return collect(files)
}

async function collect(files: readonly string[]): Promise<readonly NumberedLine[]> {
  const lines: NumberedLine[] = []
  for await (const line of readLines(files)) lines.push(line)
  return lines
}

async function refusalOf(content: string | Uint8Array): Promise<string> {
  const lines = linesOf(content)
  await expect(lines).rejects.toBeInstanceOf(InputRefused)
  return lines.then(
    () => '',
    (error: InputRefused) => error.message,
  )
}

describe('readLines', () => {
  it('gives file, line and fields, file after file', async () => {
    const lines = await linesOf(csv({}, { StockCode: '71053' }), csv({ InvoiceNo: 'C1' }))
    expect(lines).toEqual([
      { file: 'day1.csv', line: 2, raw: rawLine() },
      { file: 'day1.csv', line: 3, raw: rawLine({ StockCode: '71053' }) },
      { file: 'day2.csv', line: 2, raw: rawLine({ InvoiceNo: 'C1' }) },
    ])
  })

  it.each<[string, string | Uint8Array]>([
    ['a byte order mark', `\u{feff}${csv({})}`],
    ['UTF-16 with a byte order mark', Buffer.from(`\u{feff}${csv({})}`, 'utf16le')],
    ['CR LF', csv({}).replaceAll('\n', '\r\n')],
    ['CR', csv({}).replaceAll('\n', '\r')],
    ['no line break at the end', csv({}).trimEnd()],
    ['blanks around fields', csv({}).replaceAll(',', ' , \t')],
    ['blanks inside quotes', csv({ StockCode: '" 85123A  "' })],
    ['columns in another order, and more of them', swapped(csv({}))],
  ])('reads a file with %s', async (_what, content) => {
    expect(await linesOf(content)).toEqual([{ file: 'day1.csv', line: 2, raw: rawLine() }])
  })

  it.each(['\n', '\r\n'])(
    'numbers a line by where it begins, with %j inside quotes and lines that are empty',
    async end => {
      const content = [
        header,
        '',
        '1,a,"one\ntwo\nthree",1,d,1,c,UK',
        good,
        '   ',
        '2,a,"say ""hi""\n",1,d,1,c,UK',
        good,
      ]
      const lines = await linesOf(content.join('\n').replaceAll('\n', end))
      expect(lines.map(({ line }) => line)).toEqual([3, 6, 8, 10])
      expect(lines[0]?.raw.Description).toBe(['one', 'two', 'three'].join(end))
      expect(lines[2]?.raw.Description).toBe('say "hi"')
    },
  )

  it('keeps a line of nothing but commas', async () => {
    expect(await linesOf(`${header}\n,,,,,,,\n`)).toMatchObject([{ line: 2, raw: { InvoiceNo: '', Country: '' } }])
  })

  it('takes a file with a header only', async () => {
    expect(await linesOf(`${header}\n`)).toEqual([])
  })

  it.each<[string, string | Uint8Array, string]>([
    ['an empty file', '', `day1.csv, line 1: the file is empty; expected the header ${header}`],
    ['a blank file', '\n \n', `day1.csv, line 1: the file is empty; expected the header ${header}`],
    [
      'a missing column',
      csv({}).replace('UnitPrice', 'Price'),
      `day1.csv, line 1: column UnitPrice missing; expected the header ${header}`,
    ],
    [
      'another separator',
      csv({}).replaceAll(',', ';'),
      `day1.csv, line 1: columns ${header.replaceAll(',', ', ')} missing; expected the header ${header}`,
    ],
    [
      'a short line',
      `${header}\n${good}\n536365,85123A,HEART\n`,
      'day1.csv, line 3, column 4 (Quantity): 3 fields, the header has 8',
    ],
    ['a long line', `${header}\n${good},more\n`, 'day1.csv, line 2, column 9: 9 fields, the header has 8'],
    [
      'a long line of several lines',
      `${header}\r\n1,a,"x\r\ny",1,d,1,c,UK\r\n1,a,"x\r\ny",1,d,1,c,UK,more\r\n`,
      'day1.csv, line 4, column 9: 9 fields, the header has 8',
    ],
    [
      'a quote that is never closed',
      `${header}\n${good}\n1,a,"HEART,1,d,1,c,UK\n${good}\n`,
      'day1.csv, line 3, column 3 (Description): a quote that is never closed',
    ],
    [
      'a quote that swallows a large file',
      `${header}\n${good}\n1,a,"HEART,1,d,1,c,UK\n${`${good}\n`.repeat(3000)}`,
      'day1.csv, line 3, column 3 (Description): more than 100,000 characters; is a quote not closed?',
    ],
    [
      'a quote in the middle of a field',
      `${header}\n1,a,3" PIPE,1,d,1,c,UK\n`,
      'day1.csv, line 2, column 3 (Description): a quote in a field that is not quoted',
    ],
    [
      'more after a closing quote',
      `${header}\n1,a,"3" PIPE,1,d,1,c,UK\n`,
      'day1.csv, line 2, column 3 (Description): more after the closing quote; a quote inside quotes is written twice',
    ],
    [
      'a NUL byte',
      csv({ StockCode: '85\0' }),
      'day1.csv, line 2, column StockCode: a NUL byte, so the file is no text',
    ],
    [
      'a field that is no code',
      csv({ StockCode: 'x'.repeat(501) }),
      'day1.csv, line 2, column StockCode: 501 characters, more than 500',
    ],
  ])('refuses %s, with its place', async (_what, content, message) => {
    expect(await refusalOf(content)).toBe(message)
  })

  it('refuses a binary file without showing it', async () => {
    const binary = Uint8Array.from({ length: 4096 }, (_, index) => (index * 37) % 256)
    const message = await refusalOf(binary)
    expect(message).toMatch(/^day1\.csv, line \d+/)
    expect(message).toMatch(/^[\x20-\x7e]{1,300}$/)
  })

  it.each(['nothing.csv', '.'])('refuses a file that cannot be read: %s', async name => {
    const lines = collect([join(folder.path, name)])
    await expect(lines).rejects.toThrow(InputRefused)
    await expect(lines).rejects.toThrow(`${join(folder.path, name)} cannot be read (`)
  })

  it('gives the lines before the place that is broken', async () => {
    const file = folder.write('day.csv', `${header}\n${`${good}\n`.repeat(5000)}1,a\n`)
    let read = 0
    const reading = (async () => {
      for await (const { line } of readLines([file])) read = line
    })()
    await expect(reading).rejects.toThrow('day.csv, line 5002, column 3 (Description): 2 fields, the header has 8')
    expect(read).toBeGreaterThan(1000)
  })
})

/** The first two columns swapped, and one more behind the last. */
function swapped(content: string): string {
  return content.replaceAll(/^([^,\n]+),([^,\n]+)(.*)$/gm, '$2,$1$3,more')
}
