import { createEventBus, defineContract, type HandlerContext, type StandardSchema } from '@mekong/core'
import pg from 'pg'
import { expectTypeOf, it } from 'vitest'
import { postgresInbox, type Sql, type Transaction } from '../src/index.ts'
import { pgSql, pgTransaction } from '../src/pg.ts'

declare const schema: StandardSchema<{ orderId: string }>
declare const sql: Sql
const inbox = postgresInbox({ sql })

it('takes pools and clients of pg as they are', () => {
  expectTypeOf(pgSql(new pg.Pool())).toEqualTypeOf<Sql>()
  expectTypeOf(pgTransaction(new pg.Client())).toEqualTypeOf<Transaction>()
})

it('gives a handler in the inbox the types of its event', async () => {
  const contract = defineContract({ 'order.created': { schema } })
  const eventBus = await createEventBus({ service: 'inventory', contract, broker: 'memory:' })
  eventBus.subscribe(
    'order.created',
    inbox.handler((event, context, tx) => {
      expectTypeOf(event).toEqualTypeOf<{ orderId: string }>()
      expectTypeOf(context).toEqualTypeOf<HandlerContext<typeof contract>>()
      expectTypeOf(tx).toEqualTypeOf<Transaction>()
    }),
  )
  eventBus.subscribe({
    'order.created': inbox.handler(event => {
      expectTypeOf(event).toEqualTypeOf<{ orderId: string }>()
      // @ts-expect-error the event has no such field
      return event.total as unknown
    }),
  })
})
