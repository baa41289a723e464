/** One line of an input file, as text. */
export type RawLine = Readonly<Record<Column, string>>

export const columns = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const

export type Column = (typeof columns)[number]

/** Why a line is no part of an order, in the sequence in which it is looked for. */
export const rejections = [
  'missing-invoice',
  'unknown-invoice-kind',
  'missing-stock-code',
  'bad-quantity',
  'bad-price',
  'bad-date',
  'wrong-sign',
  'no-price',
] as const

export type Rejection = (typeof rejections)[number]

/** A line that counts. */
export interface OrderLine {
  readonly invoice: string
  readonly kind: 'sale' | 'return'
  readonly stockCode: string
  /** Always positive: a return's quantity is negative in the input. */
  readonly units: number
  /** In pounds, as decimal text. */
  readonly price: string
  readonly customerId: string
}

export type JudgedLine =
  | { readonly is: 'valid'; readonly line: OrderLine }
  | { readonly is: 'rejected'; readonly reason: Rejection }

/** Judges one line by the rules of the README; the first rule that it breaks is the reason. */
export function judgeLine(raw: RawLine): JudgedLine {
  const { InvoiceNo: invoice, StockCode: stockCode, Quantity: quantity, UnitPrice: price, InvoiceDate: date } = raw
  const kind = kindOf(invoice)
  const units = Number(quantity)
  if (invoice === '') return rejected('missing-invoice')
  if (kind === undefined) return rejected('unknown-invoice-kind')
  if (stockCode === '') return rejected('missing-stock-code')
  if (!/^[+-]?\d+$/.test(quantity) || !Number.isSafeInteger(units)) return rejected('bad-quantity')
  if (!isPrice(price)) return rejected('bad-price')
  if (!isDate(date)) return rejected('bad-date')
  if (kind === 'sale' ? units <= 0 : units >= 0) return rejected('wrong-sign')
  if (Number(price) <= 0) return rejected('no-price')
  return { is: 'valid', line: { invoice, kind, stockCode, units: Math.abs(units), price, customerId: raw.CustomerID } }
}

function rejected(reason: Rejection): JudgedLine {
  return { is: 'rejected', reason }
}

function kindOf(invoice: string): OrderLine['kind'] | undefined {
  if (/^\d+$/.test(invoice)) return 'sale'
  return /^C\d+$/.test(invoice) ? 'return' : undefined
}

/** Decimal text, of at most two digits in its exponent: what it adds up to is exact, and not of any length. */
function isPrice(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$/i.test(text)
}

/** A day that exists, with or without a time: `2010-12-01 08:26:00`, seconds optional, `T` and `Z` allowed. */
function isDate(text: string): boolean {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?)Z?)?$/.exec(text)
  if (match === null) return false
  const [, day = '', time = ''] = match
  const date = new Date(`${day}T${time}${'00:00:00'.slice(time.length)}Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}
