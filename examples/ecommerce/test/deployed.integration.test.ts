import { join } from 'node:path'
import { createMemoryBroker } from '@mekong/core/memory'
import { freePort, freshDatabase } from '@mekong/stack'
import { describe, expect, inject, it } from 'vitest'
import { mailSender } from '../src/mail/send-mail.ts'
import { serviceControl } from '../src/platform/service-control.ts'
import { startTally } from '../src/platform/tally.ts'
import { serveEndpoints } from '../src/service/service-endpoints.ts'
import { shopEndpoints } from '../src/service/shop-endpoints.ts'
import { countOpen, openShopService, serviceNames } from '../src/shop-services.ts'
import { testFolder } from './support/csv-files.ts'
import { expectLedgers, outcomeByRules } from './support/expected-ledgers.ts'
import { firstInvoices } from './support/real-orders.ts'
import { recompute } from './support/recompute.ts'
import { runShop } from './support/shop-process.ts'

/** Four services behind one server, each below its name: nothing that the run has started itself. */
async function deploy(stack: AsyncDisposableStack, databaseUrl: string, mailPort: number): Promise<number> {
  const broker = createMemoryBroker()
  const sender = mailSender(`smtp://127.0.0.1:${mailPort}`)
  stack.defer(() => sender.close())
  const endpoints = await Promise.all(
    serviceNames.map(async name => {
      const { tally, observe } = startTally()
      const options = { initialUnits: 1_000_000, limitPence: 100_000, sendMail: sender.send }
      const running = await openShopService(name, options, { broker: () => broker.driver(), databaseUrl, observe })
      stack.defer(() => running.close())
      const control = serviceControl({ running, tally, countOpen })
      const own = shopEndpoints(name, { running, control, waitsFor: undefined, isDraining: false })
      return own.map(endpoint => ({ ...endpoint, path: `/${name}${endpoint.path}` }))
    }),
  )
  const failed = (error: unknown): never => {
    throw error
  }
  const server = await serveEndpoints({ host: '127.0.0.1', port: 0, endpoints: endpoints.flat(), failed })
  stack.defer(() => server.close())
  return server.port
}

describe('a run with services that run already', () => {
  it('places the orders there, is their mail server, and audits their database', async () => {
    using folder = testFolder()
    await using stack = new AsyncDisposableStack()
    const database = await freshDatabase(inject('postgresUrl'))
    stack.defer(() => database.drop())
    const mailPort = await freePort()
    const port = await deploy(stack, database.url, mailPort)
    const orders = folder.write('orders.csv', firstInvoices('2010-12-03', 15))
    const out = join(folder.path, 'out')
    const run = await runShop(['--services', `http://127.0.0.1:${port}/{service}`, '--orders', orders, '--out', out], {
      DATABASE_URL: database.url,
      MAIL_PORT: String(mailPort),
    })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/(^✓ .*\n){5}/m)
    expectLedgers(out, recompute([orders]), { outcomeOf: outcomeByRules(100_000n) })
  })

  it.each<[NodeJS.ProcessEnv, string]>([
    [{ DATABASE_URL: undefined, MAIL_PORT: '0' }, '--services needs DATABASE_URL'],
    [{ DATABASE_URL: 'postgres://localhost/shop', MAIL_PORT: 'smtp' }, 'MAIL_PORT is not a whole number'],
  ])('ends with code 2 and one line with %j', async (environment, message) => {
    const { code, stderr } = await runShop(['--services', 'http://{service}:8080'], environment)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr.trimEnd()).not.toContain('\n')
  })
})
