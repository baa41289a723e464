import { defineContract, type PreparedEvent } from '@mekong/core'
import { pgTransaction } from '@mekong/postgres/pg'
import { describe, expect, inject, it } from 'vitest'
import { z } from 'zod'
import { createOutbox, createRelay } from '../src/index.ts'
import { outboxDatabase } from './support/outbox-database.ts'
import { recordingBus } from './support/recording-bus.ts'

const bodies = (sql: Awaited<ReturnType<typeof outboxDatabase>>['sql']): Promise<readonly { body: string }[]> =>
  sql.query(`select convert_from(payload, 'utf8') as body from mekong.outbox order by position`)

describe('outbox.publish', () => {
  it('has events published when their transaction commits', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus, wakeOn: [outbox] })
    await relay.start()
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'order.created', { n: 1 }, { key: 'o1' })
      await outbox.publish(tx, 'order.created', { n: 2 }, { key: 'o1' })
    })
    await relay.idle()
    expect(bus.log.map(({ body }) => body)).toEqual(['{"n":1}', '{"n":2}'])
    expect(await relay.stats()).toMatchObject({ undelivered: 0, inHand: 0, blockedKeys: 0 })
    expect(relay.health()).toEqual({ status: 'ok', problems: [] })
  })

  it('publishes nothing of a transaction that is rolled back', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    const failing = database.sql.transaction(async tx => {
      await outbox.publish(tx, 'order.created', { n: 1 })
      throw new Error('changed its mind')
    })
    await expect(failing).rejects.toThrow('changed its mind')
    await database.sql.transaction(tx => outbox.publish(tx, 'order.created', { n: 2 }))
    await relay.idle()
    expect(bus.log.map(({ body }) => body)).toEqual(['{"n":2}'])
  })

  it('inserts all events of a transaction with one statement, in the order of the calls', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    await database.sql.query(`create table statement (n serial)`)
    await database.sql.query(
      `create function count_statement() returns trigger language plpgsql as $$ begin insert into statement default values; return null; end $$`,
    )
    await database.sql.query(
      `create trigger counted after insert on mekong.outbox for each statement execute function count_statement()`,
    )
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'order.created', { n: 1 }, { key: 'b' })
      await outbox.publishMany(
        tx,
        Array.from({ length: 200 }, (_, index) => ({
          type: 'order.created',
          data: { n: index + 2 },
          options: { key: index % 2 === 0 ? 'a' : 'b' },
        })),
      )
    })
    expect(await database.sql.query('select count(*)::int as statements from statement')).toEqual([{ statements: 1 }])
    const expected = Array.from({ length: 201 }, (_, index) => ({ body: `{"n":${index + 1}}` }))
    expect(await bodies(database.sql)).toEqual(expected)
  })

  it('works on a transaction that the application has opened on its own client', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    let wakes = 0
    outbox.onPublished(() => wakes++)
    const client = await database.pool.connect()
    await client.query('begin')
    const tx = pgTransaction(client)
    await Promise.all([1, 2, 3].map(n => outbox.publish(tx, 'order.created', { n }, { key: 'k' })))
    await client.query('commit')
    client.release()
    expect(await bodies(database.sql)).toEqual([{ body: '{"n":1}' }, { body: '{"n":2}' }, { body: '{"n":3}' }])
    expect(wakes).toBe(3)
  })

  it('wakes after the commit, once a transaction, and not after a rollback', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    const seen: (readonly unknown[])[] = []
    const looking: Promise<void>[] = []
    outbox.onPublished(() => void looking.push(bodies(database.sql).then(rows => void seen.push(rows))))
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'order.created', { n: 1 })
      await outbox.publish(tx, 'order.created', { n: 2 })
    })
    await database.sql
      .transaction(async tx => {
        await outbox.publish(tx, 'order.created', { n: 3 })
        throw new Error('no')
      })
      .catch(() => {})
    await Promise.all(looking)
    expect(seen).toEqual([[{ body: '{"n":1}' }, { body: '{"n":2}' }]])
  })

  it('rolls the transaction back when a publish was not awaited', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const slow = z
      .object({ n: z.number() })
      .refine(() => new Promise<boolean>(resolve => setImmediate(() => resolve(true))))
    const outbox = createOutbox({ source: 'orders', contract: defineContract({ 'order.created': { schema: slow } }) })
    let floating: Promise<unknown> | undefined
    const committing = database.sql.transaction(async tx => {
      floating = outbox.publish(tx, 'order.created', { n: 1 })
      floating.catch(() => {})
    })
    await expect(committing).rejects.toMatchObject({ code: 'INVALID_STATE' })
    await expect(floating).rejects.toMatchObject({ code: 'INVALID_STATE' })
    expect(await bodies(database.sql)).toEqual([])
  })

  it('takes back what a savepoint takes back when it inserts at once', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders', insert: 'at-once' })
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'order.created', { n: 1 })
      await tx.query('savepoint try')
      await outbox.publish(tx, 'order.created', { n: 2 })
      await tx.query('rollback to savepoint try')
    })
    expect(await bodies(database.sql)).toEqual([{ body: '{"n":1}' }])
  })

  it('refuses data against the contract, ids that are no UUID, and delays', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const contract = defineContract({ 'order.created': { schema: z.object({ n: z.number() }) } })
    const outbox = createOutbox({ source: 'orders', contract })
    const publish = (data: unknown, options: object = {}): Promise<unknown> =>
      database.sql.transaction(tx => outbox.publish(tx, 'order.created', data as { n: number }, options))
    await expect(publish({ n: 'one' })).rejects.toMatchObject({ code: 'INVALID_DATA' })
    await expect(publish({ n: 1 }, { id: 'one' })).rejects.toMatchObject({ code: 'INVALID_EVENT' })
    await expect(publish({ n: 1 }, { delayMs: 1000 })).rejects.toMatchObject({ code: 'INVALID_EVENT' })
    expect(await bodies(database.sql)).toEqual([])
  })

  it('makes the same id in every run of a handler, by its cause', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'orders' })
    const id = '0198c0de-0000-8000-8000-000000000001'
    const cause = { correlationId: 'c1', causationId: 'e1', nextId: () => id }
    const receipt = await database.sql.transaction(tx => outbox.publish(tx, 'order.created', {}, { cause, key: 'k' }))
    expect(receipt).toEqual({ id, type: 'order.created', topic: 'order.created' })
    const [row] = await database.sql.query(`select id::text as id, headers from mekong.outbox`)
    expect(row).toMatchObject({
      id,
      headers: { 'ce-correlationid': 'c1', 'ce-causationid': 'e1', 'ce-source': 'orders' },
    })
  })

  it('runs the middleware of publishing, which may change an event or keep it', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({
      source: 'orders',
      middleware: [
        { handle: (_event, _context, next) => next() },
        {
          publish: async (event, next) =>
            event.type === 'secret' ? { id: event.id, type: event.type, topic: event.topic } : next(event),
        },
        {
          publish: (event, next) =>
            next({ ...event, headers: { ...event.headers, traced: 'yes' } } satisfies PreparedEvent),
        },
      ],
    })
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'secret', {})
      await outbox.publish(tx, 'open', {})
    })
    const rows = await database.sql.query<{ type: string; headers: Record<string, string> }>(
      'select type, headers from mekong.outbox',
    )
    expect(rows.map(({ type, headers }) => [type, headers['traced']])).toEqual([['open', 'yes']])
  })
})

describe('the table', () => {
  it('takes a plain insert of the columns that Debezium knows', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    await database.pool.query(
      `insert into mekong.outbox (id, aggregatetype, aggregateid, type, payload)
       select gen_random_uuid(), 'orders', 'o' || g, 'order.created', convert_to('{"n":' || g || '}', 'utf8') from generate_series(1, 3) as g`,
    )
    await relay.idle()
    expect(bus.log.map(({ topic, key, body }) => `${topic} ${key} ${body}`).toSorted()).toEqual([
      'orders o1 {"n":1}',
      'orders o2 {"n":2}',
      'orders o3 {"n":3}',
    ])
  })

  it('keeps binary bodies and empty ones', async () => {
    await using database = await outboxDatabase(inject('postgresUrl'))
    const outbox = createOutbox({ source: 'files' })
    const bus = recordingBus()
    await using relay = createRelay({ sql: database.sql, eventBus: bus })
    await relay.start()
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
    await database.sql.transaction(async tx => {
      await outbox.publish(tx, 'file.stored', bytes, { key: 'f' })
      await outbox.publish(tx, 'file.stored', new Uint8Array(), { key: 'f' })
    })
    await relay.idle()
    const sent = bus.calls.flat()
    expect(sent.map(({ body }) => Array.from(body))).toEqual([Array.from(bytes), []])
    expect(sent[0]?.headers['content-type']).toBe('application/octet-stream')
  })
})
