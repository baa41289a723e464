import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../data/online-retail', import.meta.url))

/** The eight days. */
export const dayFiles: readonly string[] = readdirSync(folder)
  .filter(name => name.endsWith('.csv'))
  .toSorted()
  .map(name => join(folder, name))

/** The text of a day with only its first invoices, in the sequence of the file. */
export function firstInvoices(day: string, count: number): string {
  const [header = '', ...lines] = readFileSync(join(folder, `${day}.csv`), 'utf8').split('\n')
  const invoiceOf = (line: string): string => line.slice(0, line.indexOf(','))
  const invoices = new Set([...new Set(lines.map(invoiceOf))].slice(0, count))
  return [header, ...lines.filter(line => invoices.has(invoiceOf(line))), ''].join('\n')
}
