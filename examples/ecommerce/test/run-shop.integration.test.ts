import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startPostgres } from '@mekong/stack'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { expectLedgers, outcomeByRules, outcomesOf } from './support/expected-ledgers.ts'
import { header, type TestFolder, testFolder } from './support/csv-files.ts'
import { firstInvoices } from './support/real-orders.ts'
import { recompute } from './support/recompute.ts'
import { runShop, type ShopRun } from './support/shop-process.ts'

let folder: TestFolder
let out: string
beforeEach(() => {
  folder = testFolder()
  out = join(folder.path, 'out')
})
afterEach(() => folder[Symbol.dispose]())

function shop(...args: readonly string[]): Promise<ShopRun> {
  return runShop(['--out', out, ...args], { MEKONG_POSTGRES_URL: inject('postgresUrl') })
}

function expectSound({ code, stdout, stderr }: ShopRun): void {
  expect(stderr).toBe('')
  expect(stdout).not.toContain('✗')
  expect(stdout).toMatch(/(^✓ .*\n){5}/m)
  expect(code).toBe(0)
}

/** The rows of a ledger, sorted. */
function ledger(name: string): readonly string[] {
  return readFileSync(join(out, name), 'utf8').trimEnd().split('\n').slice(1).toSorted()
}

function summary(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Record<string, unknown>
}

/** In every database that is made from now on. */
async function addPennyToEachPayment(serverUrl: string): Promise<void> {
  const template = new URL(serverUrl)
  template.pathname = '/template1'
  const client = new Client({ connectionString: template.href })
  await client.connect()
  await client.query(`
    create function add_penny() returns trigger language plpgsql as $$
    begin
      new.amount_pence := new.amount_pence + 1;
      return new;
    end $$;
    create function sabotage() returns event_trigger language plpgsql as $$
    begin
      if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'payment.payment') then
        create trigger add_penny before insert on payment.payment for each row execute function public.add_penny();
      end if;
    end $$;
    create event trigger sabotage on ddl_command_end when tag in ('CREATE TABLE') execute function sabotage();`)
  await client.end()
}

describe('a run of the shop', () => {
  it('ends as the rules say, to the penny', async () => {
    const orders = folder.write('orders.csv', firstInvoices('2010-12-03', 60))
    const run = await shop('--orders', orders, '--payment-limit', '1000')
    expectSound(run)
    const expected = recompute([orders])
    const outcomeOf = outcomeByRules(100_000n)
    // The input has what it takes to tell a right outcome from a wrong one.
    expect(new Set(expected.orders.map(order => outcomeOf(order).status)).size).toBe(3)
    expect(expected.rejectedLines.length).toBeGreaterThan(0)
    expectLedgers(out, expected, { outcomeOf })
    expect(summary()).toMatchObject({
      orders: expected.orders.length,
      emailsSentTwice: 0,
      deadLetters: 0,
      chaosSeed: null,
    })
    expect(run.stdout).toContain(`ledgers: ${out}\nreport:  file://${out}/report.html`)
    expect(readFileSync(join(out, 'report.html'), 'utf8').startsWith('<!doctype html>')).toBe(true)
  })

  it('ends the same with chaos', async () => {
    const orders = folder.write('orders.csv', firstInvoices('2010-12-03', 60))
    const run = await shop('--orders', orders, '--payment-limit', '1000', '--chaos', '7')
    expectSound(run)
    expectLedgers(out, recompute([orders]), { outcomeOf: outcomeByRules(100_000n) })
    const { duplicatesSuppressed, failedAttempts, chaosSeed } = summary()
    expect(chaosSeed).toBe(7)
    expect(duplicatesSuppressed).toBeGreaterThan(0)
    expect(failedAttempts).toBeGreaterThan(0)
  })

  it('rejects what is out of stock, and sells no unit twice', async () => {
    const orders = folder.write('orders.csv', firstInvoices('2010-12-01', 40))
    expectSound(await shop('--orders', orders, '--stock', '20'))
    // Who is rejected depends on the order of events; everything else follows from who was.
    const expected = recompute([orders])
    const outcomeOf = outcomesOf(out)
    expectLedgers(out, expected, { outcomeOf, initialUnits: 20n })
    const { ordersByOutcome } = summary() as { ordersByOutcome: Record<string, number> }
    expect(ordersByOutcome['completed']).toBeGreaterThan(0)
    expect(ordersByOutcome['rejected']).toBeGreaterThan(0)
    for (const order of expected.orders) {
      const { status, reason } = outcomeOf(order)
      if (status !== 'rejected') continue
      expect(reason).toMatch(/^out of stock: /)
      expect([...order.units.keys()]).toContain(reason.replace('out of stock: ', ''))
    }
  })

  it('declines every sale at a limit of nothing, and releases what was reserved', async () => {
    const orders = folder.write('orders.csv', firstInvoices('2010-12-01', 30))
    expectSound(await shop('--orders', orders, '--payment-limit', '0'))
    expectLedgers(out, recompute([orders]), { outcomeOf: outcomeByRules(0n) })
    expect(summary()).toMatchObject({ chargedPence: 0, ordersByOutcome: { completed: 0, rejected: 0 } })
  })

  it('puts the lines of an invoice together from several files, and takes names as they stand', async () => {
    const write = (file: string, ...rows: readonly string[]): string =>
      folder.write(file, [`${header},More`, ...rows.map(row => `${row},`), ''].join('\n'))
    write(
      'a.csv',
      "1,o'neil; x,Robert,2,2010-12-01 08:00:00,0.005,a..b,UK",
      '2,häkel ½,x,1,2010-12-01 08:00:00,1.25,<b>&,UK',
      'C3,häkel ½,x,-4,2010-12-01 08:00:00,0.333,,UK',
      'A4,x,x,1,2010-12-01 08:00:00,1,,UK',
      '5,x,x,1,2010-12-01 08:00:00,0,,UK',
    )
    write('b.csv', '1,POST,x,1,2010-12-02 08:00:00,0.004,,UK', 'C3,POST,x,-1,2010-12-02 08:00:00,0.333,,UK')
    const run = await shop('--orders', folder.path)
    expectSound(run)
    expect(run.stdout).toMatch(/orders +3 {2}of 5 invoices; 2 have no valid line/)
    expect(ledger('orders.csv')).toEqual(['1,completed,1,a..b,', '2,completed,125,<b>&,', 'C3,refunded,167,,'])
    expect(ledger('stock.csv')).toEqual([
      'POST,1000000,0,1000000',
      'häkel ½,1000000,0,1000003',
      "o'neil; x,1000000,0,999998",
    ])
    expect(ledger('emails.csv')).toEqual([
      '1,completed,a_.b@customers.example',
      '2,completed,_b__@customers.example',
      'C3,refunded,guest@customers.example',
    ])
    expect(ledger('rejected-lines.csv')).toEqual(['a.csv,5,unknown-invoice-kind', 'a.csv,6,no-price'])
  })

  it('ends with code 1 when a figure is wrong, says which, and writes its ledgers all the same', async () => {
    await using postgres = await startPostgres({ storage: 'memory' })
    await addPennyToEachPayment(postgres.url)
    const orders = folder.write('orders.csv', firstInvoices('2010-12-01', 3))
    const { code, stdout, stderr } = await runShop(['--out', out, '--orders', orders], {
      MEKONG_POSTGRES_URL: postgres.url,
    })
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^✗ money: .* \(charge of 536365: 13913 pence paid, 13912 due\)$/m)
    expect(stdout.match(/^✓/gm)).toHaveLength(4)
    expect(code).toBe(1)
    expect(ledger('payments.csv')).toHaveLength(3)
    expect(readFileSync(join(out, 'report.html'), 'utf8').includes('1 of 5 invariants fail')).toBe(true)
  })

  it('ends with an empty input', async () => {
    const orders = folder.write('none.csv', firstInvoices('2010-12-01', 0))
    const run = await shop('--orders', orders)
    expectSound(run)
    expectLedgers(out, recompute([orders]), { outcomeOf: outcomeByRules(0n) })
  })
})
