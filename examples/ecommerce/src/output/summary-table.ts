import Table from 'cli-table3'
import { pounds } from '../run/invariants.ts'
import type { Summary } from './summary.ts'

const plain = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
}

/** The summary as a table for a terminal, with the invariants below it. */
export function summaryTable(summary: Summary): string {
  const table = new Table({ chars: plain, style: { 'padding-left': 0, 'padding-right': 0, border: [], head: [] }, colAligns: ['left', 'right', 'left'] })
  const row = (name: string, value: number | string, remark = ''): number =>
    table.push([name, typeof value === 'number' ? value.toLocaleString('en-GB') : value, remark])
  row('orders', summary.orders, `of ${summary.invoices.toLocaleString('en-GB')} invoices; ${summary.invoicesWithoutOrder} have no valid line`)
  for (const [outcome, count] of Object.entries(summary.ordersByOutcome)) row(`  ${outcome}`, count, remarkOn(outcome, summary))
  row('lines rejected', summary.linesRejected, `of ${summary.lines.toLocaleString('en-GB')}`)
  for (const [reason, count] of Object.entries(summary.linesRejectedByReason)) if (count > 0) row(`  ${reason}`, count)
  row('emails', summary.emails, `${summary.emailsSentTwice} sent twice`)
  row('events published', summary.eventsPublished)
  row('events handled', summary.eventsHandled)
  row('duplicates suppressed', summary.duplicatesSuppressed)
  row('redeliveries', summary.redeliveries)
  row('failed attempts', summary.failedAttempts)
  row('dead letters', summary.deadLetters, summary.redriven > 0 ? `${summary.redriven} held events handed over again` : '')
  if (summary.chaosSeed !== null) row('restarts', summary.restarts)
  row('orders a second', summary.ordersPerSecond, `${(summary.tookMs / 1000).toFixed(1)} s in all`)
  row('order to email', `p50 ${summary.orderToEmailMs.p50} ms`, `p99 ${summary.orderToEmailMs.p99} ms`)
  const lines = table.toString().split('\n').map(line => line.trimEnd())
  const checks = summary.invariants.map(({ name, holds, detail }) => `${holds ? '✓' : '✗'} ${name} (${detail})`)
  return [...lines, '', ...checks].join('\n')
}

function remarkOn(outcome: string, { chargedPence, refundedPence }: Summary): string {
  if (outcome === 'completed') return `charged ${pounds(chargedPence)}`
  return outcome === 'refunded' ? `refunded ${pounds(refundedPence)}` : ''
}
