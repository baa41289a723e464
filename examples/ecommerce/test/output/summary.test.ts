import { describe, expect, it } from 'vitest'
import { summarise } from '../../src/output/summary.ts'
import { summaryTable } from '../../src/output/summary-table.ts'
import { runResult } from '../support/run-result.ts'

const chaos = { broker: 'memory', chaosSeed: 7, killSeed: undefined } as const
const calm = { broker: 'memory', chaosSeed: undefined, killSeed: undefined } as const
const killing = { broker: 'kafka', chaosSeed: undefined, killSeed: 7 } as const

describe('summarise', () => {
  it('counts from the ledgers, and names what is zero', () => {
    expect(summarise(chaos, runResult())).toMatchObject({
      chaosSeed: 7,
      orders: 4,
      ordersByOutcome: { completed: 1, rejected: 1, cancelled: 1, refunded: 1 },
      linesRejected: 1,
      linesRejectedByReason: { 'missing-invoice': 0, 'no-price': 1 },
      chargedPence: 1000,
      refundedPence: 250,
      emails: 4,
      emailsSentTwice: 2,
      ordersPerSecond: 1.6,
    })
  })

  it('counts an outcome that nobody expected', () => {
    const { ledgers, ...rest } = runResult()
    const orders = ledgers.orders.map(order => ({ ...order, status: 'open' }))
    expect(summarise(calm, { ...rest, ledgers: { ...ledgers, orders } }).ordersByOutcome).toMatchObject({
      completed: 0,
      open: 4,
    })
  })

  it('gives the nearest rank as a percentile', () => {
    const latencies = Array.from({ length: 200 }, (_, index) => ({
      orderId: String(index),
      placedMs: 0,
      tookMs: 200 - index,
    }))
    expect(summarise(calm, runResult({ latencies })).orderToEmailMs).toEqual({ p50: 100, p99: 198 })
    expect(summarise(calm, runResult({ latencies: [] })).orderToEmailMs).toEqual({ p50: 0, p99: 0 })
  })

  it('is what JSON can hold', () => {
    const summary = summarise(calm, runResult())
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary)
    expect(summary.chaosSeed).toBeNull()
  })
})

describe('summaryTable', () => {
  it('shows the run and its invariants', () => {
    expect(summaryTable(summarise(chaos, runResult()))).toMatchInlineSnapshot(`
      "orders                     4  of 1,005 invoices; 1,001 have no valid line
        completed                1  charged £10.00
        rejected                 1
        cancelled                1
        refunded                 1  refunded £2.50
      lines rejected             1  of 1,234
        no-price                 1
      emails                     4  2 sent twice
      events published       1,600
      events handled            20
      duplicates suppressed      3
      redeliveries               2
      failed attempts            5
      dead letters               1  1 held event handed over again
      restarts                  12  of services, with chaos 7
      orders a second          1.6  2.5 s in all
      order to email, p50    30 ms
      order to email, p99    1.5 s

      ✓ every order ended (4 of 4 orders)
      ✗ money (charge of <1>)"
    `)
  })

  it('says what was killed, and how often', () => {
    const kills = ['kafka', 'order', 'kafka'].map(what => ({ what, atMs: 1, downMs: 2 }))
    expect(summaryTable(summarise(killing, runResult({ kills })))).toMatch(
      /^kills {22}3 {2}with seed 7: kafka 2, order 1$/m,
    )
    expect(summaryTable(summarise(calm, runResult({ kills })))).not.toContain('kills')
  })

  it('says that a run was given up, and nothing of chaos without it', () => {
    const table = summaryTable(summarise(calm, runResult({ unfinished: ['1 open order'] })))
    expect(table.split('\n').at(-1)).toBe('Given up, not finished: 1 open order')
    expect(table).not.toContain('restarts')
  })

  it('speaks of one as of one', () => {
    const survey = { lines: 1, invoices: 1, invoicesWithoutOrder: 1, orders: 0, lastLineOf: new Map() }
    expect(summaryTable(summarise(calm, runResult({ survey })))).toContain('of 1 invoice; 1 has no valid line')
  })
})
