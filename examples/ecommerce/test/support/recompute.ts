import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parse } from 'csv-parse/sync'

/** What the rules of the README make of an input, worked out without any code of the shop. */
export interface Expected {
  readonly orders: readonly ExpectedOrder[]
  readonly rejectedLines: readonly string[]
}

export interface ExpectedOrder {
  readonly id: string
  readonly isReturn: boolean
  readonly customer: string
  readonly pence: bigint
  readonly units: ReadonlyMap<string, bigint>
}

type Row = Readonly<Record<string, string>>

export function recompute(files: readonly string[]): Expected {
  const rejectedLines: string[] = []
  const invoices = new Map<string, Row[]>()
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const rows: Row[] = parse(text, { columns: true, trim: true })
    if (text.trimEnd().split('\n').length !== rows.length + 1) throw new Error('line numbers need one line a record')
    rows.forEach((row, index) => {
      const reason = rejection(row)
      if (reason !== undefined) rejectedLines.push(`${basename(file)},${index + 2},${reason}`)
      else invoices.set(row['InvoiceNo'] ?? '', [...(invoices.get(row['InvoiceNo'] ?? '') ?? []), row])
    })
  }
  return { rejectedLines, orders: [...invoices].map(([id, rows]) => order(id, rows)) }
}

function rejection(row: Row): string | undefined {
  const { InvoiceNo = '', StockCode = '', Quantity = '', UnitPrice = '', InvoiceDate = '' } = row
  if (InvoiceNo === '') return 'missing-invoice'
  if (!/^C?[0-9]+$/.test(InvoiceNo)) return 'unknown-invoice-kind'
  if (StockCode === '') return 'missing-stock-code'
  if (!/^-?[0-9]+$/.test(Quantity)) return 'bad-quantity'
  if (!/^-?[0-9]+(\.[0-9]+)?$/.test(UnitPrice)) return 'bad-price'
  if (Number.isNaN(Date.parse(`${InvoiceDate}Z`))) return 'bad-date'
  const units = BigInt(Quantity)
  if (InvoiceNo.startsWith('C') ? units >= 0n : units <= 0n) return 'wrong-sign'
  return billionths(UnitPrice) <= 0n ? 'no-price' : undefined
}

function order(id: string, rows: readonly Row[]): ExpectedOrder {
  const units = new Map<string, bigint>()
  let exact = 0n
  for (const { StockCode = '', Quantity = '', UnitPrice = '' } of rows) {
    const count = BigInt(Quantity.replace('-', ''))
    units.set(StockCode, (units.get(StockCode) ?? 0n) + count)
    exact += count * billionths(UnitPrice)
  }
  const customer = rows.map(row => row['CustomerID'] ?? '').find(name => name !== '') ?? ''
  return { id, isReturn: id.startsWith('C'), customer, pence: (exact + 5_000_000n) / 10_000_000n, units }
}

function billionths(pounds: string): bigint {
  const [whole = '0', fraction = ''] = pounds.split('.')
  return BigInt(`${whole}${fraction.padEnd(9, '0')}`)
}
