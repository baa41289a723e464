import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { CsvError, parse } from 'csv-parse'
import { columns, type Column, type RawLine } from './order-line.ts'

export interface NumberedLine {
  /** Name of the file, without its folder. */
  readonly file: string
  /** 1 is the header. */
  readonly line: number
  readonly raw: RawLine
}

/** The input cannot be used: says which file, line and column. */
export class InputRefused extends Error {
  override readonly name = 'InputRefused'
}

/** A record longer than this is no order line but a quote that was never closed. */
const maxRecordCharacters = 100_000

/**
 * The lines of the files, one after the other, streamed. Blanks around fields are trimmed.
 * @throws InputRefused for a file that is no CSV with these columns
 */
export async function* readLines(files: readonly string[]): AsyncGenerator<NumberedLine> {
  for (const path of files) yield* readFileLines(path)
}

async function* readFileLines(path: string): AsyncGenerator<NumberedLine> {
  const file = basename(path)
  const input = createReadStream(path)
  const parser = input.pipe(
    parse({ bom: true, trim: true, info: true, skipEmptyLines: true, maxRecordSize: maxRecordCharacters }),
  )
  input.on('error', error => parser.destroy(error))
  let places: ReadonlyMap<Column, number> | undefined
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (places === undefined) places = placesOf(file, record)
      else yield { file, line: info.lines, raw: rawLine(record, places) }
    }
  } catch (error) {
    throw refusal(path, error)
  } finally {
    input.destroy()
  }
  if (places === undefined) throw new InputRefused(`${file}, line 1: the file is empty; expected the header ${columns.join(',')}`)
}

function placesOf(file: string, header: readonly string[]): ReadonlyMap<Column, number> {
  const places = new Map(columns.map(column => [column, header.indexOf(column)] as const))
  const missing = columns.filter(column => places.get(column) === -1)
  if (missing.length === 0) return places
  throw new InputRefused(
    `${file}, line 1: column ${missing.join(', ')} missing in the header; expected ${columns.join(',')}`,
  )
}

function rawLine(record: readonly string[], places: ReadonlyMap<Column, number>): RawLine {
  const field = (column: Column): string => record[places.get(column) ?? -1] ?? ''
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

function refusal(path: string, error: unknown): unknown {
  if (error instanceof InputRefused) return error
  if (error instanceof CsvError) {
    const { lines, column, index } = error as CsvError & { lines?: number; column?: unknown; index?: number }
    const place = typeof column === 'string' ? column : Number(column ?? index ?? 0) + 1
    return new InputRefused(`${basename(path)}, line ${lines ?? '?'}, column ${String(place)}: ${error.message}`)
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code !== undefined) return new InputRefused(`${path} cannot be read (${code})`)
  return error
}
