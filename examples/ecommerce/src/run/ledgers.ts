import type { Sql } from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import pg from 'pg'
import type { RejectedLine } from '../intake/read-orders.ts'
import type { KeptMail } from '../mail/mail-server.ts'

/** What happened, read from the databases of the services and from the mail server. */
export interface Ledgers {
  readonly orders: readonly OrderRow[]
  readonly payments: readonly PaymentRow[]
  readonly stock: readonly StockRow[]
  readonly emails: readonly KeptMail[]
  readonly rejectedLines: readonly RejectedLine[]
}

export interface OrderRow {
  readonly order_id: string
  readonly status: string
  readonly total_pence: number
  readonly customer_id: string
  readonly reason: string
  readonly kind: string
  /** Milliseconds since the epoch. */
  readonly placed_ms: number
}

export interface PaymentRow {
  readonly payment_id: string
  readonly order_id: string
  readonly kind: 'charge' | 'refund'
  readonly amount_pence: number
}

export interface StockRow {
  readonly stock_code: string
  readonly initial: number
  readonly reserved: number
  readonly on_hand: number
}

/** From the placing of an order to its email, in milliseconds, with the time of placing. */
export interface Latency {
  readonly orderId: string
  readonly placedMs: number
  readonly tookMs: number
}

/** Only the one who audits looks into the tables of all services at once. */
export async function readLedgers(
  databaseUrl: string,
  { emails, rejectedLines }: Pick<Ledgers, 'emails' | 'rejectedLines'>,
): Promise<{ readonly ledgers: Ledgers; readonly latencies: readonly Latency[] }> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  try {
    const sql = pgSql(pool)
    const orders = await readOrders(sql)
    const ledgers = { orders, payments: await readPayments(sql), stock: await readStock(sql), emails, rejectedLines }
    const sentAt = await readSendTimes(sql)
    const latencies = orders.flatMap(({ order_id, placed_ms }) => {
      const sentMs = sentAt.get(order_id)
      return sentMs === undefined ? [] : [{ orderId: order_id, placedMs: placed_ms, tookMs: sentMs - placed_ms }]
    })
    return { ledgers, latencies }
  } finally {
    await pool.end()
  }
}

/** Amounts and units are far below 2^53, and double precision is what every client gives as a number. */
function readOrders(sql: Sql): Promise<readonly OrderRow[]> {
  return sql.query<OrderRow>(
    `select order_id, status, total_pence::float8 as total_pence, customer_id, reason, kind,
       (extract(epoch from placed_at) * 1000)::float8 as placed_ms
     from orders.orders order by order_id`,
  )
}

function readPayments(sql: Sql): Promise<readonly PaymentRow[]> {
  return sql.query<PaymentRow>(
    `select payment_id::text as payment_id, order_id, kind, amount_pence::float8 as amount_pence
     from payment.payment order by order_id, kind`,
  )
}

function readStock(sql: Sql): Promise<readonly StockRow[]> {
  return sql.query<StockRow>(
    `select stock_code, initial::float8 as initial, coalesce(sum(units), 0)::float8 as reserved,
       (available + coalesce(sum(units), 0))::float8 as on_hand
     from inventory.stock left join inventory.reservation using (stock_code)
     group by stock_code order by stock_code`,
  )
}

/** When each order's email was sent, in milliseconds since the epoch. */
async function readSendTimes(sql: Sql): Promise<ReadonlyMap<string, number>> {
  const rows = await sql.query<{ order_id: string; sent_ms: number }>(
    `select order_id, (extract(epoch from sent_at) * 1000)::float8 as sent_ms from email.sent`,
  )
  return new Map(rows.map(row => [row.order_id, row.sent_ms]))
}
