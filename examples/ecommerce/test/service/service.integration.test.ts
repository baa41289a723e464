import { freshDatabase, type FreshDatabase, startPostgres } from '@mekong/stack'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { type ShopProcess, startService } from '../support/shop-process.ts'

let database: FreshDatabase
beforeEach(async () => {
  database = await freshDatabase(inject('postgresUrl'))
})
afterEach(() => database.drop())

interface Answer {
  readonly status: number
  readonly body: unknown
}

interface Service extends ShopProcess {
  ask(path: string, init?: RequestInit): Promise<Answer>
}

/** Resolves when it answers over HTTP; it may not be ready by then. */
async function start(name: string, environment: NodeJS.ProcessEnv = {}): Promise<Service> {
  const service = startService([name], {
    EVENT_BUS_URL: 'memory://alone',
    DATABASE_URL: database.url,
    HTTP_PORT: '0',
    ...environment,
  })
  const [, port] = await service.until(/"port":(\d+),"msg":"answers over HTTP"/)
  return {
    ...service,
    async ask(path, init) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
      return { status: response.status, body: await response.json() }
    },
  }
}

const post = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) })
const order = {
  orderId: '1',
  kind: 'sale',
  customerId: '17850',
  totalPence: 1000,
  items: [{ stockCode: 'a', units: 2 }],
}

function logOf(stdout: string): readonly Readonly<Record<string, unknown>>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

describe('a service of its own process', () => {
  it('says when it is ready, places an order once, and drains at SIGTERM', async () => {
    const service = await start('order')
    await service.until(/"msg":"ready"/)
    expect(await service.ask('/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await service.ask('/readyz')).toEqual({ status: 200, body: { status: 'ready', problems: [] } })
    expect(await service.ask('/orders', post(order))).toEqual({ status: 202, body: { orderId: '1' } })
    expect(await service.ask('/orders', post(order))).toEqual({ status: 202, body: { orderId: '1' } })
    expect(await service.ask('/status')).toMatchObject({ status: 200, body: { unfinished: { 'open orders': 1 } } })
    expect(await service.ask('/timelines/1')).toEqual({ status: 200, body: [] })
    expect(await service.ask('/redrive', post(null))).toEqual({ status: 200, body: 0 })
    service.kill('SIGTERM')
    const { code, signal, stdout, stderr } = await service.ended
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    expect(logOf(stdout).map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['answers over HTTP', 'ready', 'draining', 'ended']),
    )
    for (const line of logOf(stdout))
      expect(line).toMatchObject({ service: 'order', level: 'info', time: expect.any(String) })
  })

  it('refuses what is no order, and takes none where it is another service', async () => {
    const service = await start('order')
    await service.until(/"msg":"ready"/)
    expect(await service.ask('/orders', post({ ...order, totalPence: -1 }))).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('totalPence') },
    })
    expect(await service.ask('/status')).toMatchObject({ body: { unfinished: { 'open orders': 0 } } })
    const payment = await start('payment')
    await payment.until(/"msg":"ready"/)
    expect(await payment.ask('/orders', post(order))).toMatchObject({ status: 404 })
  })

  it('is alive and not ready while its database is away, and ready again when that is back', async () => {
    await using postgres = await startPostgres({ storage: 'memory' })
    const service = await start('inventory', { DATABASE_URL: postgres.url })
    await service.until(/"msg":"ready"/)
    await postgres.kill()
    await vi.waitFor(async () => expect((await service.ask('/readyz')).status).toBe(503), { timeout: 10_000 })
    expect(await service.ask('/readyz')).toMatchObject({
      body: { status: 'not ready', problems: expect.arrayContaining([expect.stringContaining('database: Postgres')]) },
    })
    expect(await service.ask('/healthz')).toMatchObject({ status: 200 })
    await postgres.restart()
    await vi.waitFor(async () => expect((await service.ask('/readyz')).status).toBe(200), { timeout: 20_000 })
  })

  it('waits for its database, says so, and is ready when that is there', async () => {
    await using postgres = await startPostgres({ storage: 'memory' })
    await postgres.kill()
    const service = await start('payment', { DATABASE_URL: postgres.url })
    await service.until(/"msg":"cannot start yet"/)
    expect(await service.ask('/healthz')).toEqual({ status: 200, body: { status: 'starting' } })
    expect(await service.ask('/readyz')).toEqual({
      status: 503,
      body: { status: 'starting', problems: ['waits for the database'] },
    })
    expect(await service.ask('/status')).toMatchObject({ status: 503 })
    await postgres.restart()
    await service.until(/"msg":"ready"/)
    expect(await service.ask('/readyz')).toMatchObject({ status: 200 })
    service.kill('SIGTERM')
    const { code, stdout } = await service.ended
    expect(code).toBe(0)
    const waits = logOf(stdout).filter(({ msg }) => msg === 'cannot start yet')
    expect(waits[0]).toMatchObject({ level: 'warn', waitsFor: 'database', code: 'STORE_UNAVAILABLE', attempt: 1 })
    const { password } = new URL(postgres.url)
    expect(password).not.toBe('')
    expect(stdout).not.toContain(password)
  })

  it.each(['amqp://shop:secret@127.0.0.1:1?connectTimeoutMs=200', 'kafka://127.0.0.1:1'])(
    'waits for its broker at %s, says so, and ends with code 0 at SIGTERM',
    async broker => {
      const service = await start('payment', { EVENT_BUS_URL: broker })
      await service.until(/"code":"BROKER_UNAVAILABLE".*"msg":"cannot start yet"/)
      expect(await service.ask('/readyz')).toEqual({
        status: 503,
        body: { status: 'starting', problems: ['waits for the broker'] },
      })
      service.kill('SIGTERM')
      const { code, stdout, stderr } = await service.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).not.toContain('secret')
    },
  )

  it('ends with code 1 and one line when waiting does not help', async () => {
    const service = startService(['payment'], {
      EVENT_BUS_URL: 'kafka://127.0.0.1:1?speed=high',
      DATABASE_URL: database.url,
      HTTP_PORT: '0',
    })
    const { code, stdout } = await service.ended
    expect(code).toBe(1)
    expect(logOf(stdout).at(-1)).toMatchObject({
      level: 'fatal',
      code: 'INVALID_CONFIGURATION',
      msg: 'the service ends',
    })
  })

  it.each<[string, readonly string[], NodeJS.ProcessEnv, string]>([
    ['a variable', ['order'], { DATABASE_URL: '' }, 'DATABASE_URL is missing'],
    ['a name', ['shipping'], {}, 'the names are order, inventory, payment, email'],
    ['an argument too many', ['order', 'email'], {}, 'npm run service -- <name>'],
  ])('ends with code 2 and one line about %s', async (_what, args, environment, message) => {
    const service = startService(args, { EVENT_BUS_URL: 'memory:', DATABASE_URL: 'postgres://a', ...environment })
    const { code, stdout, stderr } = await service.ended
    expect(stderr).toContain(message)
    expect(stderr.trimEnd()).not.toContain('\n')
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it('keeps what it committed when it is killed, and goes on from there', async () => {
    const first = await start('order')
    await first.until(/"msg":"ready"/)
    await first.ask('/orders', post(order))
    first.kill('SIGKILL')
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })
    const second = await start('order')
    await second.until(/"msg":"ready"/)
    expect(await second.ask('/orders', post(order))).toMatchObject({ status: 202 })
    const client = new Client({ connectionString: database.url })
    await client.connect()
    const { rows } = await client.query('select count(*)::int as events from orders.outbox')
    await client.end()
    expect(rows).toEqual([{ events: 1 }])
  })
})
