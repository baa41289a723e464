import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OrderLine, RawLine } from '../../src/intake/order-line.ts'
import { orderOf, readOrders, survey } from '../../src/intake/read-orders.ts'
import type { Order } from '../../src/order/order-service.ts'
import { csv, type TestFolder, testFolder } from '../support/csv-files.ts'

let folder: TestFolder
beforeEach(() => {
  folder = testFolder()
})
afterEach(() => folder[Symbol.dispose]())

const sale = (InvoiceNo: string, StockCode = 'a', rest: Partial<RawLine> = {}): Partial<RawLine> => ({
  InvoiceNo,
  StockCode,
  ...rest,
})

function filesOf(...files: readonly (readonly Partial<RawLine>[])[]): readonly string[] {
  return files.map((lines, index) => folder.write(`day${index + 1}.csv`, csv(...lines)))
}

/** Orders and rejected lines in the sequence in which they come. */
async function readAll(files: readonly string[]): Promise<readonly (Order | string)[]> {
  const seen: (Order | string)[] = []
  const orders = readOrders(files, await survey(files), ({ file, line, reason }) =>
    seen.push(`${file}:${line} ${reason}`),
  )
  for await (const order of orders) seen.push(order)
  return seen
}

describe('survey', () => {
  it('counts lines, invoices and orders', async () => {
    const files = filesOf(
      [sale('1'), sale('2', 'a', { Quantity: '-1' }), sale('1', 'b'), sale('')],
      [sale('2', 'a', { UnitPrice: '0' }), sale('C3', 'a', { Quantity: '-1' }), sale('x')],
    )
    const { lastLineOf, ...counts } = await survey(files)
    expect(counts).toEqual({ lines: 7, invoices: 4, invoicesWithoutOrder: 2, orders: 2 })
    expect([...lastLineOf]).toEqual([
      ['1', 1],
      ['C3', 2],
    ])
  })

  it.each<[string, Partial<RawLine>]>([
    ['Quantity', { Quantity: String(2 ** 52) }],
    ['UnitPrice', { UnitPrice: '1e20' }],
  ])('refuses what cannot be counted exactly, by its %s', async (column, fields) => {
    const files = filesOf([sale('1'), sale('2', 'a', fields)])
    await expect(survey(files)).rejects.toThrow(`day1.csv, line 3, column ${column}: too large to be counted exactly`)
  })
})

describe('readOrders', () => {
  it('makes one order of the lines of an invoice, wherever they stand', async () => {
    const files = filesOf(
      [
        sale('1', 'a', { Quantity: '2', CustomerID: '' }),
        sale('2', 'a'),
        sale('1', 'b', { Quantity: '1', CustomerID: '' }),
      ],
      [sale('3', 'c'), sale('1', 'a', { Quantity: '5', CustomerID: '17' })],
    )
    const orders = (await readAll(files)).filter(seen => typeof seen !== 'string')
    expect(orders.map(({ orderId }) => orderId)).toEqual(['2', '3', '1'])
    expect(orders[2]).toEqual({
      orderId: '1',
      kind: 'sale',
      customerId: '17',
      totalPence: 8 * 255,
      items: [
        { stockCode: 'a', units: 7 },
        { stockCode: 'b', units: 1 },
      ],
    })
  })

  it('gives an order as soon as its last valid line is read, and holds none that is complete', async () => {
    const files = filesOf(
      [sale('1'), sale(''), sale('1', 'b'), sale('1', 'c', { UnitPrice: '0' }), sale('2')],
      [sale('x')],
    )
    const seen = (await readAll(files)).map(each => (typeof each === 'string' ? each : `order ${each.orderId}`))
    expect(seen).toEqual([
      'day1.csv:3 missing-invoice',
      'order 1',
      'day1.csv:5 no-price',
      'order 2',
      'day2.csv:2 unknown-invoice-kind',
    ])
  })

  it('makes no order of an invoice without a valid line', async () => {
    const files = filesOf([sale('1', 'a', { UnitPrice: '0' }), sale('1', '')])
    expect(await readAll(files)).toEqual(['day1.csv:2 no-price', 'day1.csv:3 missing-stock-code'])
  })

  it('loses no line and doubles none, however they are mixed', async () => {
    const lines = fc.array(
      fc.record({
        invoice: fc.integer({ min: 1, max: 6 }),
        code: fc.constantFrom('a', 'b', 'c'),
        units: fc.integer({ min: -1, max: 9 }),
      }),
      { maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(lines, fc.nat({ max: 40 }), async (drawn, cut) => {
        const rows = drawn.map(({ invoice, code, units }) => sale(String(invoice), code, { Quantity: String(units) }))
        const files = filesOf(rows.slice(0, cut), rows.slice(cut))
        const seen = await readAll(files)
        const orders = seen.filter(each => typeof each !== 'string')
        const valid = drawn.filter(({ units }) => units > 0)
        expect(seen.length - orders.length).toBe(drawn.length - valid.length)
        expect(new Set(orders.map(({ orderId }) => orderId)).size).toBe(orders.length)
        const unitsOf = (invoice: string, code: string): number =>
          valid
            .filter(line => String(line.invoice) === invoice && line.code === code)
            .reduce((sum, line) => sum + line.units, 0)
        const found = orders.flatMap(({ orderId, items }) =>
          items.map(({ stockCode, units }) => ({ orderId, stockCode, units })),
        )
        expect(found.length).toBe(new Set(valid.map(({ invoice, code }) => `${invoice} ${code}`)).size)
        for (const { orderId, stockCode, units } of found) expect(units).toBe(unitsOf(orderId, stockCode))
      }),
      { numRuns: 50 },
    )
  })
})

describe('the total of an order', () => {
  const line = (units: number, price: string): OrderLine => ({
    invoice: '1',
    kind: 'sale',
    stockCode: 'a',
    units,
    price,
    customerId: '',
  })

  it.each<[string, readonly OrderLine[], number]>([
    ['half a penny up', [line(1, '0.005')], 1],
    ['less than half a penny down', [line(1, '0.00499')], 0],
    ['once, not line by line', [line(1, '0.004'), line(1, '0.004'), line(1, '0.004')], 1],
    ['what binary fractions cannot hold', [line(1, '1.005')], 101],
    ['a sum that doubles get wrong', [line(3, '0.1'), line(1, '0.2'), line(1, '0.005')], 51],
  ])('rounds %s', (_what, lines, pence) => {
    expect(orderOf(lines).totalPence).toBe(pence)
  })

  it('is the exact sum, rounded half up to the penny once', () => {
    const priced = fc.record({
      units: fc.integer({ min: 1, max: 100_000 }),
      whole: fc.nat({ max: 99_999 }),
      fraction: fc.stringMatching(/^\d{0,6}$/),
    })
    fc.assert(
      fc.property(fc.array(priced, { minLength: 1, maxLength: 30 }), drawn => {
        const lines = drawn.map(({ units, whole, fraction }) =>
          line(units, fraction === '' ? `${whole}` : `${whole}.${fraction}`),
        )
        const millionths = drawn.reduce(
          (sum, { units, whole, fraction }) =>
            sum + BigInt(units) * (BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))),
          0n,
        )
        expect(orderOf(lines).totalPence).toBe(Number((millionths + 5_000n) / 10_000n))
      }),
      { numRuns: 1000 },
    )
  })
})
