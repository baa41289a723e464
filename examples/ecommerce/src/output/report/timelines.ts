import type { ServiceEntry } from '@mekong/saga'
import type { RunResult } from '../../run/run-shop.ts'
import { figure } from '../figures.ts'
import { escaped, table } from './markup.ts'

/** What to type for an outcome that a run has no order of. */
const remedies: ReadonlyMap<string, string> = new Map([
  ['completed', '--payment-limit 5000'],
  ['cancelled', '--payment-limit 100'],
  ['rejected', '--stock 20'],
])

/** Step by step what became of one order of each outcome. */
export function timelines({ timelines: all, ledgers }: RunResult): string {
  const shown = new Set<string>()
  const articles = [...all].map(([orderId, entries]) => {
    const order = ledgers.orders.find(row => row.order_id === orderId)
    const status = order?.status ?? ''
    shown.add(status)
    const title = `${escaped(orderId)} <span class="tag">${escaped(status)}</span> <small>${escaped(order?.reason ?? '')}</small>`
    return `<article><h3>${title}</h3>${timeline(entries)}</article>`
  })
  const missing = [...remedies].filter(([status]) => !shown.has(status))
  const notes = missing.map(
    ([status, remedy]) => `<p>No order was ${status} in this run; <code>npm start -- ${remedy}</code> has some.</p>`,
  )
  return [...articles, ...notes].join('\n')
}

function timeline(entries: readonly ServiceEntry[]): string {
  const start = entries[0]?.at ?? 0
  const rows = entries.map(({ at, service, step, action, event, emitted, attempt, duplicates }) => [
    figure(Math.round(at - start)),
    service,
    step,
    event?.type ?? 'time was up',
    emitted.join(', ') || (action === 'wait' ? 'nothing yet: waits for more' : '–'),
    String(attempt),
    String(duplicates),
  ])
  return table(rows, ['ms', 'service', 'step', 'heard', 'emitted', 'attempt', 'duplicates'])
}
