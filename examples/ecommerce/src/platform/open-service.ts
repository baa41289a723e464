import { createEventBus, type Driver, type EventBus, type Middleware, type Observer } from '@mekong/core'
import { createOutbox, createRelay, type Outbox, outboxMigrations, type Relay } from '@mekong/outbox'
import {
  holdMigrations,
  inboxMigrations,
  leaseMigrations,
  migrate,
  type Migration,
  postgresHold,
  postgresInbox,
  type Sql,
} from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import { createSagaParticipant, type SagaParticipant, sagaMigrations } from '@mekong/saga'
import pg from 'pg'
import { contract, type ShopContract } from '../contract.ts'
import { orderSaga, type OrderSaga } from '../saga.ts'

export type ServiceName = OrderSaga['steps'][keyof OrderSaga['steps']]['service']

/** Where a service lives: the same for a service of its own process and for four services in one. */
export interface Surroundings {
  /** A URL, or a connection to a broker that this process made itself. */
  readonly broker: string | (() => Driver)
  readonly databaseUrl: string
  readonly observe?: Observer | undefined
  readonly middleware?: readonly Middleware[] | undefined
}

/** What a service is made of, before it takes part in the saga. */
export interface ServiceTools {
  readonly sql: Sql
  readonly outbox: Outbox<ShopContract>
}

export interface ServiceDefinition<Service extends ServiceName> {
  readonly service: Service
  /** Of its own: no other service reads its tables. */
  readonly schema: string
  readonly migration: Migration
  readonly steps: Parameters<typeof createSagaParticipant<OrderSaga, Service>>[0]['steps']
}

export interface RunningService extends ServiceTools {
  readonly service: ServiceName
  readonly schema: string
  readonly eventBus: EventBus<ShopContract>
  readonly relay: Relay
  /** Lets handlers finish and the outbox rest; what was cut off comes again at the next start. */
  close(options?: { readonly timeoutMs: number }): Promise<void>
}

/** Opens a service: its tables, its outbox and inbox, its event bus, its part in the saga. */
export async function openService<Service extends ServiceName>(
  definition: ServiceDefinition<Service>,
  { broker, databaseUrl, observe, middleware }: Surroundings,
): Promise<RunningService> {
  const { service, schema, migration, steps } = definition
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 12, pipeline: true, connectionTimeoutMillis: 5000 })
  const sql = pgSql(pool)
  await migrate(
    sql,
    [...inboxMigrations, ...holdMigrations, ...leaseMigrations, ...outboxMigrations(), ...sagaMigrations, migration],
    { schema },
  )

  const eventBus = await createEventBus({
    service,
    contract,
    broker: typeof broker === 'string' ? broker : broker(),
    hold: postgresHold({ sql, schema }),
    observe,
    middleware,
  })
  const outbox = createOutbox({ source: service, contract, schema })
  const relay = createRelay({ sql, schema, eventBus, wakeOn: [outbox] })
  // Orders that want the same products wait for each other for a moment: that is no reason to come again later.
  const inbox = postgresInbox({ sql, schema, lockTimeoutMs: 5000 })
  const participant: SagaParticipant = createSagaParticipant({
    saga: orderSaga,
    service,
    eventBus,
    sql,
    schema,
    inbox,
    outbox,
    steps,
  })
  await eventBus.start()
  await relay.start()
  return {
    service,
    schema,
    sql,
    outbox,
    eventBus,
    relay,
    async close(options) {
      await relay.close(options)
      await participant.close()
      await eventBus.close(options)
      await pool.end()
    },
  }
}
