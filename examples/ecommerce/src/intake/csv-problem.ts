import type { CsvError } from 'csv-parse'

/** A record longer than this is no order line but a quote that was never closed. */
export const maxRecordCharacters = 100_000

/** What the reader of a file knows of where it is. */
export interface Whereabouts {
  /** Empty until it is read. */
  readonly header: readonly string[]
  /** The line that the parser means. */
  lineOf(linesParsed: number): number
  /** The line after the last record. */
  nextLine(): number
}

/** Says in which line and column a file is no CSV, and why; nothing of what stands there. */
export function csvProblem(error: CsvError & Partial<CsvErrorContext>, where: Whereabouts): string {
  const { lines = 0, column, index, record = [] } = error
  const at = (line: number, place: number): string => `line ${line}, column ${nameOf(where.header, place)}`
  const line = where.lineOf(lines)
  const place = index ?? Number(column ?? 0)
  switch (error.code) {
    case 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH': {
      const expected = where.header.length
      const beginsOn = where.lineOf(lines - lineBreaks(record).join('').length)
      return `${at(beginsOn, Math.min(record.length, expected))}: ${record.length} fields, the header has ${expected}`
    }
    case 'INVALID_OPENING_QUOTE':
      return `${at(line, place)}: a quote in a field that is not quoted`
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
      return `${at(line, place)}: more after the closing quote; a quote inside quotes is written twice`
    case 'CSV_QUOTE_NOT_CLOSED':
      return `${at(where.nextLine(), place)}: a quote that is never closed`
    case 'CSV_MAX_RECORD_SIZE':
      return `${at(where.nextLine(), place)}: more than ${maxRecordCharacters.toLocaleString('en-GB')} characters; is a quote not closed?`
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

function nameOf(header: readonly string[], place: number): string {
  const name = header[place]
  return name === undefined ? String(place + 1) : `${place + 1} (${name})`
}

/** The line breaks inside quotes. */
export function lineBreaks(record: readonly string[]): readonly string[] {
  return record.flatMap(field => field.match(/\r\n|\r|\n/g) ?? [])
}
