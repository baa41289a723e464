import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { CsvError, parse } from 'csv-parse'
import { csvProblem, lineBreaks, maxRecordCharacters, type Whereabouts } from './csv-problem.ts'
import { columns, type Column, type RawLine } from './order-line.ts'

export interface NumberedLine {
  /** Name of the file, without its folder. */
  readonly file: string
  /** Where it begins; 1 is the header. */
  readonly line: number
  readonly raw: RawLine
}

/** The input cannot be used: says which file, line and column. */
export class InputRefused extends Error {
  override readonly name = 'InputRefused'
}

/** What is longer is no number, code or date, and no key of a table either. */
const maxFieldCharacters = 500

/**
 * The lines of the files, one after the other, streamed. Blanks around fields are trimmed.
 * @throws InputRefused for a file that is no CSV with these columns
 */
export async function* readLines(files: readonly string[]): AsyncGenerator<NumberedLine> {
  for (const path of files) yield* readFileLines(path)
}

async function* readFileLines(path: string): AsyncGenerator<NumberedLine> {
  const reading = createReading(basename(path))
  const input = createReadStream(path)
  const parser = input.pipe(
    // Asked as each record is parsed: when the file turns out to be broken, what nobody has taken yet is dropped.
    parse({
      bom: true,
      trim: true,
      skipEmptyLines: true,
      maxRecordSize: maxRecordCharacters,
      // The types of the parser know no records but arrays.
      onRecord: (record, { lines }) => reading.take(record, lines) as unknown as string[] | undefined,
    }),
  )
  input.on('error', error => parser.destroy(error))
  try {
    yield* parser as AsyncIterable<NumberedLine>
  } catch (error) {
    throw refusal(path, error, reading)
  } finally {
    input.destroy()
  }
  if (reading.header.length === 0) {
    throw new InputRefused(`${basename(path)}, line 1: the file is empty; expected the header ${columns.join(',')}`)
  }
}

/** What is known of a file while it is parsed. */
interface Reading extends Whereabouts {
  /** Undefined for the header. */
  take(record: readonly string[], linesParsed: number): NumberedLine | undefined
}

function createReading(file: string): Reading {
  let header: readonly string[] = []
  let places: ReadonlyMap<Column, number> | undefined
  let countedTwice = 0
  let lastLine = 0
  return {
    get header() {
      return header
    },
    take(record, linesParsed) {
      const breaks = lineBreaks(record)
      // The parser counts a CR LF inside quotes as two lines.
      countedTwice += breaks.filter(lineBreak => lineBreak === '\r\n').length
      lastLine = linesParsed - countedTwice
      const line = lastLine - breaks.length
      if (places !== undefined) return { file, line, raw: rawLine({ file, line }, record, places) }
      header = record
      places = placesOf({ file, line }, header)
      return undefined
    },
    lineOf: linesParsed => linesParsed - countedTwice,
    nextLine: () => lastLine + 1,
  }
}

interface Place {
  readonly file: string
  readonly line: number
}

function placesOf({ file, line }: Place, header: readonly string[]): ReadonlyMap<Column, number> {
  const names = header.map(name => name.trim())
  const places = new Map(columns.map(column => [column, names.indexOf(column)] as const))
  const missing = columns.filter(column => places.get(column) === -1)
  if (missing.length === 0) return places
  const what = missing.length === 1 ? 'column' : 'columns'
  throw new InputRefused(
    `${file}, line ${line}: ${what} ${missing.join(', ')} missing; expected the header ${columns.join(',')}`,
  )
}

function rawLine(place: Place, record: readonly string[], places: ReadonlyMap<Column, number>): RawLine {
  const field = (column: Column): string => {
    const text = (record[places.get(column) ?? -1] ?? '').trim()
    const wrong = text.includes('\0') ? 'a NUL byte, so the file is no text' : tooLong(column, text)
    if (wrong !== undefined) throw new InputRefused(`${place.file}, line ${place.line}, column ${column}: ${wrong}`)
    return text
  }
  return {
    InvoiceNo: field('InvoiceNo'),
    StockCode: field('StockCode'),
    Description: field('Description'),
    Quantity: field('Quantity'),
    InvoiceDate: field('InvoiceDate'),
    UnitPrice: field('UnitPrice'),
    CustomerID: field('CustomerID'),
    Country: field('Country'),
  }
}

function tooLong(column: Column, text: string): string | undefined {
  if (column === 'Description' || text.length <= maxFieldCharacters) return undefined
  return `${text.length} characters, more than ${maxFieldCharacters}`
}

function refusal(path: string, error: unknown, reading: Reading): unknown {
  if (error instanceof CsvError) return new InputRefused(`${basename(path)}, ${csvProblem(error, reading)}`)
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === undefined ? error : new InputRefused(`${path} cannot be read (${code})`)
}
