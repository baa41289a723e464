import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { testFolder } from './support/csv-files.ts'
import { expectLedgers, outcomeByRules } from './support/expected-ledgers.ts'
import { dayFiles } from './support/real-orders.ts'
import { recompute } from './support/recompute.ts'
import { runShop } from './support/shop-process.ts'

const busyMachineMs = 120_000

it('takes the 970 orders of eight days to the outcome that the README shows', { timeout: busyMachineMs }, async () => {
  using folder = testFolder()
  const run = await runShop(['--out', folder.path], { MEKONG_POSTGRES_URL: inject('postgresUrl') })
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expectLedgers(folder.path, recompute(dayFiles), { outcomeOf: outcomeByRules(500_000n) })
  const summary = JSON.parse(readFileSync(join(folder.path, 'summary.json'), 'utf8')) as object
  expect(summary).toMatchObject({
    orders: 970,
    ordersByOutcome: { completed: 819, rejected: 0, cancelled: 15, refunded: 136 },
    lines: 22_523,
    linesRejected: 178,
    linesRejectedByReason: { 'wrong-sign': 64, 'no-price': 114 },
    invoices: 1088,
    invoicesWithoutOrder: 118,
    chargedPence: 30_997_722,
    refundedPence: 6_136_420,
    emails: 970,
    emailsSentTwice: 0,
  })
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const table = (text: string): string | undefined =>
    /^orders {2}[^]*?no-price.*$/m.exec(text)?.[0].replaceAll(/ +/g, ' ')
  expect(table(readme)).toBe(table(run.stdout))
})
