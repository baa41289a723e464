import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TestFolder, testFolder } from '../support/csv-files.ts'
import { expectLedgers, outcomeByRules } from '../support/expected-ledgers.ts'
import { firstInvoices } from '../support/real-orders.ts'
import { recompute } from '../support/recompute.ts'
import { runShop } from '../support/shop-process.ts'

const busyMachineMs = 240_000

let folder: TestFolder
beforeEach(() => {
  folder = testFolder()
})
afterEach(() => folder[Symbol.dispose]())

it.each(['kafka', 'rabbitmq'])(
  'ends to the penny on %s while services, broker, Postgres and Redis are killed',
  { timeout: busyMachineMs },
  async broker => {
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
  },
)
