import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { CsvError, parse } from 'csv-parse'
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

/** A record longer than this is no order line but a quote that was never closed. */
const maxRecordCharacters = 100_000
/** What is longer is no number, code or date, and no key of a table either. */
const maxFieldCharacters = 500

/**
 * The lines of the files, one after the other, streamed. Blanks around fields are trimmed.
 * @throws InputRefused for a file that is no CSV with these columns
 */
export async function* readLines(files: readonly string[]): AsyncGenerator<NumberedLine> {
  for (const path of files) yield* readFileLines(path)
}

interface Parsed {
  readonly record: readonly string[]
  readonly info: { readonly lines: number }
}

async function* readFileLines(path: string): AsyncGenerator<NumberedLine> {
  const file = basename(path)
  const input = createReadStream(path)
  const parser = input.pipe(
    parse({ bom: true, trim: true, info: true, skipEmptyLines: true, maxRecordSize: maxRecordCharacters }),
  )
  input.on('error', error => parser.destroy(error))
  const lines = createLineCount()
  let header: readonly string[] | undefined
  let places: ReadonlyMap<Column, number> | undefined
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      const line = lines.startOf(record, info.lines)
      if (places === undefined) places = placesOf({ file, line }, record)
      else yield { file, line, raw: rawLine({ file, line }, record, places) }
      header ??= record
    }
  } catch (error) {
    throw refusal(path, error, { header, lines })
  } finally {
    input.destroy()
  }
  if (places !== undefined) return
  throw new InputRefused(`${file}, line 1: the file is empty; expected the header ${columns.join(',')}`)
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
  throw new InputRefused(`${file}, line ${line}: ${what} ${missing.join(', ')} missing; expected the header ${columns.join(',')}`)
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

interface LineCount {
  /** The line that a record begins on, given how many lines the parser counts up to its end. */
  startOf(record: readonly string[], linesParsed: number): number
  /** The line after the records so far. */
  next(): number
  /** The line that the parser means. */
  actual(linesParsed: number): number
}

/** The parser counts a CR LF inside quotes as two lines. */
function createLineCount(): LineCount {
  let countedTwice = 0
  let last = 0
  return {
    startOf(record, linesParsed) {
      const breaks = record.flatMap(field => field.match(/\r\n|\r|\n/g) ?? [])
      countedTwice += breaks.filter(lineBreak => lineBreak === '\r\n').length
      last = linesParsed - countedTwice
      return last - breaks.length
    },
    next: () => last + 1,
    actual: linesParsed => linesParsed - countedTwice,
  }
}

interface Progress {
  readonly header: readonly string[] | undefined
  readonly lines: LineCount
}

function refusal(path: string, error: unknown, progress: Progress): unknown {
  if (error instanceof CsvError) return new InputRefused(`${basename(path)}, ${csvProblem(error, progress)}`)
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === undefined ? error : new InputRefused(`${path} cannot be read (${code})`)
}

function csvProblem(error: CsvError, { header, lines }: Progress): string {
  const { lines: linesParsed = 0, column, index, record } = error as CsvError & Partial<CsvErrorContext>
  const at = (line: number, place: number): string => `line ${line}, column ${nameOf(header, place)}`
  const place = typeof index === 'number' ? index : Number(column ?? 0)
  const line = lines.actual(linesParsed)
  switch (error.code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH': {
      const fields = record?.length ?? 0
      const expected = header?.length ?? 0
      return `${at(line, Math.min(fields, expected))}: ${fields} fields, the header has ${expected}`
    }
    case 'INVALID_OPENING_QUOTE':
      return `${at(line, place)}: a quote in a field that is not quoted`
    case 'CSV_INVALID_CLOSING_QUOTE':
      return `${at(line, place)}: more after the closing quote; a quote inside quotes is written twice`
    case 'CSV_QUOTE_NOT_CLOSED':
      return `${at(lines.next(), place)}: a quote that is never closed`
    case 'CSV_MAX_RECORD_SIZE':
      return `${at(lines.next(), place)}: more than ${maxRecordCharacters.toLocaleString('en-GB')} characters; is a quote not closed?`
    default:
      return `${at(line, place)}: no CSV (${error.code})`
  }
}

interface CsvErrorContext {
  readonly lines: number
  readonly column: number | string
  readonly index: number
  readonly record: readonly string[]
}

function nameOf(header: readonly string[] | undefined, place: number): string {
  const name = header?.[place]
  return name === undefined ? String(place + 1) : `${place + 1} (${name})`
}
