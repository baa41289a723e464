import type { Order } from '../order/order-service.ts'
import type { Ledgers, OrderRow } from './ledgers.ts'

export interface Invariant {
  readonly name: string
  readonly holds: boolean
  /** What was compared; where it does not hold, the first thing that is wrong. */
  readonly detail: string
}

const ends = ['completed', 'rejected', 'cancelled', 'refunded']

/** What the input says, gathered in one more pass over it. */
interface Input {
  readonly orders: number
  /** Net change of each product, by what became of the orders. */
  readonly movedUnits: ReadonlyMap<string, number>
  /** The first order whose total in the ledger is another. */
  readonly wrongTotal: string | undefined
}

/** Judges the ledgers against each other and against the input read once more; nothing that the services counted is used. */
export async function checkInvariants(ledgers: Ledgers, input: AsyncIterable<Order>): Promise<readonly Invariant[]> {
  const read = await gather(ledgers, input)
  return [
    allEnded(ledgers, read),
    totalsAgree(ledgers, read),
    money(ledgers),
    stock(ledgers, read),
    oneEmailEach(ledgers),
  ]
}

async function gather(ledgers: Ledgers, input: AsyncIterable<Order>): Promise<Input> {
  const rows = new Map(ledgers.orders.map(row => [row.order_id, row]))
  const movedUnits = new Map<string, number>()
  let orders = 0
  let wrongTotal: string | undefined
  for await (const { orderId, totalPence, items } of input) {
    const row = rows.get(orderId)
    orders++
    if (row?.total_pence !== totalPence) wrongTotal ??= orderId
    const direction = directions.get(row?.status ?? '') ?? 0
    for (const { stockCode, units } of items) {
      movedUnits.set(stockCode, (movedUnits.get(stockCode) ?? 0) + direction * units)
    }
  }
  return { orders, movedUnits, wrongTotal }
}

/** What an outcome does to the stock: sold units leave it, returned ones come back. */
const directions: ReadonlyMap<string, number> = new Map([
  ['completed', -1],
  ['refunded', 1],
])

function allEnded({ orders }: Ledgers, input: Input): Invariant {
  const open = orders.find(order => !ends.includes(order.status))
  const count = `${orders.length} of ${input.orders} orders`
  const wrong = open === undefined ? undefined : `${open.order_id} is ${open.status}`
  return invariant('every order ended', count, wrong ?? (orders.length === input.orders ? undefined : count))
}

function totalsAgree({ orders }: Ledgers, { wrongTotal }: Input): Invariant {
  return invariant('totals are those of the input', `${orders.length} totals`, wrongTotal && `total of ${wrongTotal}`)
}

/** Charged is exactly what completed, refunded exactly what was returned, once each. */
function money({ orders, payments }: Ledgers): Invariant {
  const due = new Map(orders.flatMap(order => paymentOf(order)))
  const problems: string[] = []
  for (const { order_id, kind, amount_pence } of payments) {
    const name = `${kind} of ${order_id}`
    if (due.get(name) !== amount_pence) problems.push(`${name}: ${amount_pence} pence paid, ${due.get(name) ?? 0} due`)
    due.delete(name)
  }
  const [unpaid] = due.keys()
  const sum = (kind: string): number =>
    payments.filter(payment => payment.kind === kind).reduce((pence, payment) => pence + payment.amount_pence, 0)
  const detail = `charged ${pounds(sum('charge'))}, refunded ${pounds(sum('refund'))}`
  return invariant('money: paid is what is due, once', detail, problems[0] ?? (unpaid && `${unpaid} is missing`))
}

function paymentOf({ order_id, status, total_pence }: OrderRow): readonly (readonly [string, number])[] {
  if (status === 'completed') return [[`charge of ${order_id}`, total_pence]]
  return status === 'refunded' ? [[`refund of ${order_id}`, total_pence]] : []
}

/** On hand is what was there, less what was sold, plus what came back; nothing stays reserved. */
function stock({ stock: rows }: Ledgers, { movedUnits }: Input): Invariant {
  const wrong = rows.find(
    row => row.reserved !== 0 || row.on_hand !== row.initial + (movedUnits.get(row.stock_code) ?? 0),
  )
  const known = new Set(rows.map(row => row.stock_code))
  const unknown = [...movedUnits].find(([code, units]) => units !== 0 && !known.has(code))
  return invariant(
    'stock: on hand is initial - sold + returned, nothing reserved',
    `${rows.length} products`,
    wrong?.stock_code ?? unknown?.[0],
  )
}

function oneEmailEach({ orders, emails }: Ledgers): Invariant {
  const kinds = new Map<string, string[]>()
  for (const { orderId, kind } of emails) kinds.set(orderId, [...(kinds.get(orderId) ?? []), kind])
  const wrong = orders.find(({ order_id, status }) => kinds.get(order_id)?.join() !== status)
  const extra = emails.length === orders.length ? undefined : `${emails.length} emails for ${orders.length} orders`
  return invariant('one email for each order, of its outcome', `${emails.length} emails`, wrong?.order_id ?? extra)
}

function invariant(name: string, detail: string, wrong: string | undefined): Invariant {
  return { name, holds: wrong === undefined, detail: wrong ?? detail }
}

export function pounds(pence: number): string {
  return `£${(pence / 100).toLocaleString('en-GB', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
}
