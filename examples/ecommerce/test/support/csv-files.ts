import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { columns, type RawLine } from '../../src/intake/order-line.ts'

export const header: string = columns.join(',')

/** A line that is valid; what is given stands in place of its fields. */
export function rawLine(fields: Partial<RawLine> = {}): RawLine {
  return {
    InvoiceNo: '536365',
    StockCode: '85123A',
    Description: 'WHITE HANGING HEART',
    Quantity: '6',
    InvoiceDate: '2010-12-01 08:26:00',
    UnitPrice: '2.55',
    CustomerID: '17850.0',
    Country: 'United Kingdom',
    ...fields,
  }
}

/** The text of a file with these lines. */
export function csv(...lines: readonly Partial<RawLine>[]): string {
  const rows = lines.map(fields => {
    const line = rawLine(fields)
    return columns.map(column => line[column]).join(',')
  })
  return [header, ...rows, ''].join('\n')
}

/** A folder of its own for the files of a test. */
export interface TestFolder extends Disposable {
  readonly path: string
  /** Writes a file and gives its path. */
  write(name: string, content: string | Uint8Array): string
}

export function testFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), 'mekong-shop-test-'))
  return {
    path,
    write(name, content) {
      writeFileSync(join(path, name), content)
      return join(path, name)
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}
