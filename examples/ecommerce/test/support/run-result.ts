import type { RunResult } from '../../src/run/run-shop.ts'
import { soundLedgers } from './ledgers.ts'

/** A run of four orders, one of each outcome. */
export function runResult(changes: Partial<RunResult> = {}): RunResult {
  const ledgers = soundLedgers()
  return {
    survey: { lines: 1234, invoices: 1005, invoicesWithoutOrder: 1001, orders: 4, lastLineOf: new Map() },
    ledgers,
    tally: {
      eventsPublished: 1600,
      eventsHandled: 20,
      duplicatesSuppressed: 3,
      redeliveries: 2,
      failedAttempts: 5,
      deadLetters: 1,
      redriven: 1,
    },
    invariants: [
      { name: 'every order ended', holds: true, detail: '4 of 4 orders' },
      { name: 'money', holds: false, detail: 'charge of <1>' },
    ],
    latencies: ledgers.orders.map(({ order_id, placed_ms }, index) => ({
      orderId: order_id,
      placedMs: placed_ms + index * 500,
      tookMs: [40, 1500, 20, 30][index] ?? 0,
    })),
    emailsSentTwice: 2,
    restarts: 12,
    kills: [],
    tookMs: 2500,
    unfinished: [],
    timelines: new Map(
      ledgers.orders.map(({ order_id, status }) => [
        order_id,
        [
          {
            service: 'email',
            at: 5000,
            saga: 'order',
            step: 'notify',
            action: 'run',
            outcome: 'success',
            event: { type: `order.${status}`, id: 'e' },
            emitted: [],
            attempt: 1,
            duplicates: 2,
          },
        ],
      ]),
    ),
    ...changes,
  }
}
