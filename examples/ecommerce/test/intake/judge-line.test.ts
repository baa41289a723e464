import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeLine, type RawLine, rejections } from '../../src/intake/order-line.ts'
import { rawLine } from '../support/csv-files.ts'

function reasonOf(fields: Partial<RawLine>): string {
  const judged = judgeLine(rawLine(fields))
  return judged.is === 'valid' ? 'valid' : judged.reason
}

describe('judgeLine', () => {
  it('takes a sale as it stands', () => {
    expect(judgeLine(rawLine({ StockCode: '85123a', Quantity: '+6', UnitPrice: '2.550' }))).toEqual({
      is: 'valid',
      line: { invoice: '536365', kind: 'sale', stockCode: '85123a', units: 6, price: '2.550', customerId: '17850.0' },
    })
  })

  it('takes a return with its units positive', () => {
    const judged = judgeLine(rawLine({ InvoiceNo: 'C536379', Quantity: '-3' }))
    expect(judged).toMatchObject({ is: 'valid', line: { invoice: 'C536379', kind: 'return', units: 3 } })
  })

  it.each<[string, Partial<RawLine>]>([
    ['missing-invoice', { InvoiceNo: '' }],
    ['unknown-invoice-kind', { InvoiceNo: 'A563185' }],
    ['unknown-invoice-kind', { InvoiceNo: 'c536379', Quantity: '-1' }],
    ['unknown-invoice-kind', { InvoiceNo: 'C' }],
    ['unknown-invoice-kind', { InvoiceNo: '536365C' }],
    ['unknown-invoice-kind', { InvoiceNo: '-536365' }],
    ['missing-stock-code', { StockCode: '' }],
    ['bad-quantity', { Quantity: '' }],
    ['bad-quantity', { Quantity: '1.5' }],
    ['bad-quantity', { Quantity: 'six' }],
    ['bad-quantity', { Quantity: '9007199254740993' }],
    ['bad-price', { UnitPrice: '' }],
    ['bad-price', { UnitPrice: '2,55' }],
    ['bad-price', { UnitPrice: '£2.55' }],
    ['bad-price', { UnitPrice: 'NaN' }],
    ['bad-price', { UnitPrice: 'Infinity' }],
    ['bad-price', { UnitPrice: '0x10' }],
    ['bad-price', { UnitPrice: '1e100' }],
    ['bad-date', { InvoiceDate: '' }],
    ['bad-date', { InvoiceDate: 'yesterday' }],
    ['bad-date', { InvoiceDate: '2010-02-30 08:26:00' }],
    ['bad-date', { InvoiceDate: '2010-12-01 24:00:00' }],
    ['bad-date', { InvoiceDate: '2010-12-01 08:60' }],
    ['wrong-sign', { Quantity: '0' }],
    ['wrong-sign', { Quantity: '-6' }],
    ['wrong-sign', { InvoiceNo: 'C536379', Quantity: '0' }],
    ['wrong-sign', { InvoiceNo: 'C536379', Quantity: '6' }],
    ['no-price', { UnitPrice: '0.00' }],
    ['no-price', { UnitPrice: '-11062.06' }],
  ])('rejects as %s: %o', (reason, fields) => {
    expect(reasonOf(fields)).toBe(reason)
  })

  it.each<Partial<RawLine>>([
    { InvoiceDate: '2010-12-01T08:26:00Z' },
    { InvoiceDate: '2010-12-01 08:26' },
    { InvoiceDate: '2012-02-29' },
    { UnitPrice: '.5' },
    { UnitPrice: '1e-3' },
    { Description: '', CustomerID: '', Country: '' },
    { StockCode: 'BANK CHARGES' },
  ])('takes %o', fields => {
    expect(reasonOf(fields)).toBe('valid')
  })

  // Each field is drawn with the rule that it breaks by itself; which of them is the reason follows from their order only.
  const field = (good: readonly string[], bad: readonly string[], rule: string): fc.Arbitrary<[string, string[]]> =>
    fc.oneof(
      fc.constantFrom(...good).map((text): [string, string[]] => [text, []]),
      fc.constantFrom(...bad).map((text): [string, string[]] => [text, [rule]]),
    )

  it('gives the first rule that a line breaks as the reason', () => {
    const invoice = fc.oneof(
      field(['1', '536365', 'C1', 'C536379'], ['', ''], 'missing-invoice'),
      field(['2'], ['A1', 'x', 'C-1', '1 2'], 'unknown-invoice-kind'),
    )
    const line = fc.record({
      invoice,
      code: field(['85123A', 'POST'], [''], 'missing-stock-code'),
      quantity: field(['6', '-6', '0', '1', '-1'], ['', 'x', '1.5', '--1'], 'bad-quantity'),
      price: field(['2.55', '0', '-1', '0.001'], ['', 'x', '1.2.3'], 'bad-price'),
      date: field(['2010-12-01 08:26:00'], ['', '2010-13-01 08:26:00', 'x'], 'bad-date'),
    })
    fc.assert(
      fc.property(line, drawn => {
        const broken = new Set(Object.values(drawn).flatMap(([, rules]) => rules))
        const units = Number(drawn.quantity[0])
        if (drawn.invoice[0].startsWith('C') ? units >= 0 : units <= 0) broken.add('wrong-sign')
        if (Number(drawn.price[0]) <= 0) broken.add('no-price')
        const raw = rawLine({
          InvoiceNo: drawn.invoice[0],
          StockCode: drawn.code[0],
          Quantity: drawn.quantity[0],
          UnitPrice: drawn.price[0],
          InvoiceDate: drawn.date[0],
        })
        expect(reasonOf(raw)).toBe(rejections.find(rule => broken.has(rule)) ?? 'valid')
      }),
      { numRuns: 2000 },
    )
  })

  it('looks for the rules in the order in which they are promised', () => {
    expect(rejections).toEqual([
      'missing-invoice',
      'unknown-invoice-kind',
      'missing-stock-code',
      'bad-quantity',
      'bad-price',
      'bad-date',
      'wrong-sign',
      'no-price',
    ])
  })
})
