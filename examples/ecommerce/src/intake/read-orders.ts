import { Big } from 'big.js'
import type { Order } from '../order/order-service.ts'
import { judgeLine, type OrderLine, type Rejection } from './order-line.ts'
import { InputRefused, readLines } from './read-lines.ts'

export interface RejectedLine {
  readonly file: string
  readonly line: number
  readonly reason: Rejection
}

/** What a first pass over the input learns. */
export interface Survey {
  readonly lines: number
  readonly invoices: number
  /** Invoices without a valid line: counted, and no order. */
  readonly invoicesWithoutOrder: number
  readonly orders: number
  /** For each order, which of the valid lines is its last. */
  readonly lastLineOf: ReadonlyMap<string, number>
}

/** Sums of pence and of units stay below it, so that a number holds each of them exactly. */
const maxSum = 2 ** 52

/**
 * Reads everything once, so that a bad file is refused before anything runs and the second pass knows when an order is
 * complete: memory then holds only the orders that are open.
 * @throws InputRefused
 */
export async function survey(files: readonly string[]): Promise<Survey> {
  const invoices = new Set<string>()
  const lastLineOf = new Map<string, number>()
  let lines = 0
  let valid = 0
  let pence = 0
  let units = 0
  for await (const { file, line, raw } of readLines(files)) {
    lines++
    if (raw.InvoiceNo !== '') invoices.add(raw.InvoiceNo)
    const judged = judgeLine(raw)
    if (judged.is === 'rejected') continue
    lastLineOf.set(judged.line.invoice, valid++)
    units += judged.line.units
    pence += judged.line.units * Number(judged.line.price) * 100
    const tooLarge = units > maxSum ? 'Quantity' : pence > maxSum ? 'UnitPrice' : undefined
    if (tooLarge !== undefined) {
      throw new InputRefused(
        `${file}, line ${line}, column ${tooLarge}: too large to be counted exactly, with what stands before it`,
      )
    }
  }
  const orders = lastLineOf.size
  return { lines, invoices: invoices.size, invoicesWithoutOrder: invoices.size - orders, orders, lastLineOf }
}

/** Each order as soon as its last line is read; rejected lines go to `reject`. */
export async function* readOrders(
  files: readonly string[],
  { lastLineOf }: Survey,
  reject: (line: RejectedLine) => void,
): AsyncGenerator<Order> {
  const open = new Map<string, OrderLine[]>()
  let valid = 0
  for await (const { file, line, raw } of readLines(files)) {
    const judged = judgeLine(raw)
    if (judged.is === 'rejected') {
      reject({ file, line, reason: judged.reason })
      continue
    }
    const { invoice } = judged.line
    const lines = open.get(invoice)
    if (lines === undefined) open.set(invoice, [judged.line])
    else lines.push(judged.line)
    if (lastLineOf.get(invoice) === valid++) {
      yield orderOf(open.get(invoice) ?? [])
      open.delete(invoice)
    }
  }
}

/** One invoice is one order; units of a product that stands on several lines are added. */
export function orderOf(lines: readonly OrderLine[]): Order {
  const [first] = lines
  if (first === undefined) throw new RangeError('an order has at least one line')
  const units = new Map<string, number>()
  for (const line of lines) units.set(line.stockCode, (units.get(line.stockCode) ?? 0) + line.units)
  return {
    orderId: first.invoice,
    kind: first.kind,
    customerId: lines.find(line => line.customerId !== '')?.customerId ?? '',
    totalPence: totalPence(lines),
    items: [...units].map(([stockCode, count]) => ({ stockCode, units: count })),
  }
}

/** The exact sum, rounded half up to the penny once. */
function totalPence(lines: readonly OrderLine[]): number {
  const pounds = lines.reduce((sum, line) => sum.plus(new Big(line.price).times(line.units)), new Big(0))
  return pounds.times(100).round(0, Big.roundHalfUp).toNumber()
}
