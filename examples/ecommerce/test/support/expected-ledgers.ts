import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Expected, ExpectedOrder } from './recompute.ts'

export interface Outcome {
  readonly status: string
  readonly reason: string
}

/** The outcome of an order by the rules, where there is stock for all. */
export function outcomeByRules(limitPence: bigint): (order: ExpectedOrder) => Outcome {
  return ({ isReturn, pence }) => {
    if (isReturn) return { status: 'refunded', reason: '' }
    return pence > limitPence
      ? { status: 'cancelled', reason: 'payment declined' }
      : { status: 'completed', reason: '' }
  }
}

/** The outcomes that a run wrote down, for when stock decides and so the order of events does. */
export function outcomesOf(folder: string): (order: ExpectedOrder) => Outcome {
  const rows = new Map(readLedger(folder, 'orders.csv').rows.map(row => [row.split(',')[0], row.split(',')]))
  return ({ id }) => ({ status: rows.get(id)?.[1] ?? 'missing', reason: rows.get(id)?.[4] ?? '' })
}

/** Holds the files of a run, row by row, to what follows from the input and the outcomes. */
export function expectLedgers(
  folder: string,
  { orders, rejectedLines }: Expected,
  { outcomeOf, initialUnits = 1_000_000n }: { outcomeOf: (order: ExpectedOrder) => Outcome; initialUnits?: bigint },
): void {
  const ended = orders.map(order => ({ ...order, ...outcomeOf(order) }))
  expectRows(folder, 'orders.csv', 'order_id,status,total_pence,customer_id,reason', {
    rows: ended.map(({ id, status, pence, customer, reason }) => [id, status, pence, customer, reason].join()),
  })
  expectRows(folder, 'payments.csv', 'payment_id,order_id,kind,amount_pence', {
    rows: ended.flatMap(({ id, status, pence }) => {
      const kind = new Map([
        ['completed', 'charge'],
        ['refunded', 'refund'],
      ]).get(status)
      return kind === undefined ? [] : [[id, kind, pence].join()]
    }),
    shown: row => row.split(',').slice(1).join(),
  })
  expectRows(folder, 'stock.csv', 'stock_code,initial,reserved,on_hand', { rows: stockRows(ended, initialUnits) })
  expectRows(folder, 'emails.csv', 'order_id,kind,to', {
    rows: ended.map(({ id, status, customer }) => [id, status, `${customer || 'guest'}@customers.example`].join()),
  })
  expectRows(folder, 'rejected-lines.csv', 'file,line,reason', { rows: rejectedLines })
  const paymentIds = readLedger(folder, 'payments.csv').rows.map(row => row.split(',')[0])
  expect(new Set(paymentIds).size).toBe(paymentIds.length)
}

function stockRows(ended: readonly (ExpectedOrder & Outcome)[], initialUnits: bigint): readonly string[] {
  const direction = new Map([
    ['completed', -1n],
    ['refunded', 1n],
  ])
  const onHand = new Map<string, bigint>()
  for (const { status, units } of ended) {
    for (const [code, count] of units) {
      onHand.set(code, (onHand.get(code) ?? initialUnits) + (direction.get(status) ?? 0n) * count)
    }
  }
  return [...onHand].map(([code, units]) => [code, initialUnits, 0, units].join())
}

function expectRows(
  folder: string,
  name: string,
  header: string,
  { rows, shown = row => row }: { rows: readonly string[]; shown?: (row: string) => string },
): void {
  const ledger = readLedger(folder, name)
  expect({ name, header: ledger.header, rows: ledger.rows.map(shown).toSorted() }).toEqual({
    name,
    header,
    rows: rows.toSorted(),
  })
}

/** No field of the real days needs quotes in a ledger. */
function readLedger(
  folder: string,
  name: string,
): { readonly header: string | undefined; readonly rows: readonly string[] } {
  const [header, ...rows] = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n')
  return { header, rows }
}
