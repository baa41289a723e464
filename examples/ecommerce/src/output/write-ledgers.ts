import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'csv-stringify/sync'
import type { Ledgers } from '../run/ledgers.ts'

/** Writes the ledgers as CSV files, one for each, into a folder that exists. */
export async function writeLedgers(folder: string, ledgers: Ledgers): Promise<void> {
  const write = (name: string, columns: readonly string[], records: readonly object[]): Promise<void> =>
    writeFile(join(folder, name), stringify([...records], { header: true, columns: [...columns] }))
  const emails = ledgers.emails.map(({ orderId, kind, to }) => ({ order_id: orderId, kind, to }))
  await Promise.all([
    write('orders.csv', ['order_id', 'status', 'total_pence', 'customer_id', 'reason'], ledgers.orders),
    write('payments.csv', ['payment_id', 'order_id', 'kind', 'amount_pence'], ledgers.payments),
    write('stock.csv', ['stock_code', 'initial', 'reserved', 'on_hand'], ledgers.stock),
    write('emails.csv', ['order_id', 'kind', 'to'], emails),
    write('rejected-lines.csv', ['file', 'line', 'reason'], ledgers.rejectedLines),
  ])
}
