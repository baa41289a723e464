import Table from 'cli-table3'
import { pounds } from '../run/invariants.ts'
import { counted, duration, figure } from './figures.ts'
import type { Summary } from './summary.ts'

const plain = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** The summary as a table for a terminal, with the invariants below it. */
export function summaryTable(summary: Summary): string {
  const table = new Table({
    chars: plain,
    style: { 'padding-left': 0, 'padding-right': 0, border: [], head: [] },
    colAligns: ['left', 'right', 'left'],
  })
  const row = (name: string, value: number | string, remark = ''): number =>
    table.push([name, typeof value === 'number' ? figure(value) : value, remark])
  row('orders', summary.orders, `of ${counted(summary.invoices, 'invoice')}${withoutOrder(summary)}`)
  for (const [outcome, count] of Object.entries(summary.ordersByOutcome))
    row(`  ${outcome}`, count, remarkOn(outcome, summary))
  row('lines rejected', summary.linesRejected, `of ${figure(summary.lines)}`)
  for (const [reason, count] of Object.entries(summary.linesRejectedByReason)) if (count > 0) row(`  ${reason}`, count)
  row('emails', summary.emails, `${figure(summary.emailsSentTwice)} sent twice`)
  row('events published', summary.eventsPublished)
  row('events handled', summary.eventsHandled)
  row('duplicates suppressed', summary.duplicatesSuppressed)
  row('redeliveries', summary.redeliveries)
  row('failed attempts', summary.failedAttempts)
  row('dead letters', summary.deadLetters, redriven(summary))
  if (summary.chaosSeed !== null) row('restarts', summary.restarts, `of services, with chaos ${summary.chaosSeed}`)
  if (summary.killSeed !== null) row('kills', summary.kills, killed(summary))
  row('orders a second', summary.ordersPerSecond, `${duration(summary.tookMs)} in all`)
  row('order to email, p50', duration(summary.orderToEmailMs.p50))
  row('order to email, p99', duration(summary.orderToEmailMs.p99))
  const lines = table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
  const checks = summary.invariants.map(({ name, holds, detail }) => `${holds ? '✓' : '✗'} ${name} (${detail})`)
  const unfinished =
    summary.unfinished.length === 0 ? [] : ['', `Given up, not finished: ${summary.unfinished.join(', ')}`]
  return [...lines, '', ...checks, ...unfinished].join('\n')
}

function withoutOrder({ invoicesWithoutOrder: invoices }: Summary): string {
  return invoices === 0 ? '' : `; ${figure(invoices)} ${invoices === 1 ? 'has' : 'have'} no valid line`
}

function redriven({ redriven: events }: Summary): string {
  return events === 0 ? '' : `${counted(events, 'held event')} handed over again`
}

function killed({ killsByVictim, killSeed }: Summary): string {
  const victims = Object.entries(killsByVictim).map(([what, times]) => `${what} ${figure(times)}`)
  return `with seed ${killSeed}${victims.length === 0 ? '' : ': '}${victims.toSorted().join(', ')}`
}

function remarkOn(outcome: string, { chargedPence, refundedPence }: Summary): string {
  if (outcome === 'completed') return `charged ${pounds(chargedPence)}`
  return outcome === 'refunded' ? `refunded ${pounds(refundedPence)}` : ''
}
