import { rejections } from '../intake/order-line.ts'
import type { Invariant } from '../run/invariants.ts'
import type { CliOptions } from '../cli/options.ts'
import type { RunResult } from '../run/run-shop.ts'

/** The run in figures: what summary.json holds and the table shows. Durations are milliseconds. */
export interface Summary {
  readonly broker: string
  readonly chaosSeed: number | null
  readonly killSeed: number | null
  readonly orders: number
  readonly ordersByOutcome: Readonly<Record<string, number>>
  readonly lines: number
  readonly linesRejected: number
  readonly linesRejectedByReason: Readonly<Record<string, number>>
  readonly invoices: number
  readonly invoicesWithoutOrder: number
  readonly chargedPence: number
  readonly refundedPence: number
  readonly emails: number
  readonly emailsSentTwice: number
  readonly eventsPublished: number
  readonly eventsHandled: number
  readonly duplicatesSuppressed: number
  readonly redeliveries: number
  readonly failedAttempts: number
  readonly deadLetters: number
  readonly redriven: number
  readonly restarts: number
  readonly kills: number
  readonly killsByVictim: Readonly<Record<string, number>>
  readonly tookMs: number
  readonly ordersPerSecond: number
  readonly orderToEmailMs: { readonly p50: number; readonly p99: number }
  readonly invariants: readonly Invariant[]
  readonly unfinished: readonly string[]
}

export type SummarisedOptions = Pick<CliOptions, 'broker' | 'chaosSeed' | 'killSeed'> &
  Partial<Pick<CliOptions, 'services'>>

export function summarise(options: SummarisedOptions, result: RunResult): Summary {
  const { broker, chaosSeed, killSeed, services } = options
  const { survey, ledgers, tally, latencies, tookMs } = result
  const { orders, payments, rejectedLines } = ledgers
  const took = latencies.map(latency => latency.tookMs).toSorted((a, b) => a - b)
  const paid = (kind: string): number =>
    payments.filter(payment => payment.kind === kind).reduce((pence, payment) => pence + payment.amount_pence, 0)
  return {
    broker: services === undefined ? broker : 'of the services',
    chaosSeed: chaosSeed ?? null,
    killSeed: killSeed ?? null,
    orders: orders.length,
    ordersByOutcome: countBy(
      ['completed', 'rejected', 'cancelled', 'refunded'],
      orders.map(order => order.status),
    ),
    lines: survey.lines,
    linesRejected: rejectedLines.length,
    linesRejectedByReason: countBy(
      rejections,
      rejectedLines.map(line => line.reason),
    ),
    invoices: survey.invoices,
    invoicesWithoutOrder: survey.invoicesWithoutOrder,
    chargedPence: paid('charge'),
    refundedPence: paid('refund'),
    emails: ledgers.emails.length,
    emailsSentTwice: result.emailsSentTwice,
    ...tally,
    restarts: result.restarts,
    kills: result.kills.length,
    killsByVictim: countBy(
      [],
      result.kills.map(({ what }) => what),
    ),
    tookMs: Math.round(tookMs),
    ordersPerSecond: tookMs === 0 ? 0 : Math.round((orders.length * 10_000) / tookMs) / 10,
    orderToEmailMs: { p50: percentile(took, 0.5), p99: percentile(took, 0.99) },
    invariants: result.invariants,
    unfinished: result.unfinished,
  }
}

/** Every name has its count, also a zero; names that nobody expected are counted too. */
function countBy(names: readonly string[], values: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map(names.map(name => [name, 0]))
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** Nearest rank, of sorted values. */
function percentile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
}
