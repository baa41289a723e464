import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { testFolder } from './csv-files.ts'
import { expectLedgers, outcomeByRules } from './expected-ledgers.ts'
import { firstInvoices } from './real-orders.ts'
import { recompute } from './recompute.ts'
import { runShop } from './shop-process.ts'

/** A run of the shop in which each service, the broker, Postgres and Redis are killed once: its ledgers are those of its orders. */
export async function expectToSurvive(broker: 'kafka' | 'rabbitmq'): Promise<void> {
  using folder = testFolder()
  const orders = folder.write('orders.csv', firstInvoices('2010-12-03', 60))
  const out = join(folder.path, 'out')
  const run = await runShop([
    '--broker',
    broker,
    '--kill',
    '1',
    '--payment-limit',
    '1000',
    '--orders',
    orders,
    '--out',
    out,
  ])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expectLedgers(out, recompute([orders]), { outcomeOf: outcomeByRules(100_000n) })
  const victims = [broker, 'redis', 'postgres', 'order', 'inventory', 'payment', 'email']
  for (const victim of victims) {
    expect(run.stdout.match(new RegExp(`^kill at .*: ${victim}, back after .*$`, 'gm'))).toHaveLength(1)
  }
  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as object
  expect(summary).toMatchObject({
    broker,
    killSeed: 1,
    kills: 7,
    killsByVictim: Object.fromEntries(victims.map(victim => [victim, 1])),
    unfinished: [],
  })
}
