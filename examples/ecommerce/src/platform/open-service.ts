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
import { redisIdempotency } from '@mekong/redis'
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
  /** Where there is one, duplicates are known before the handler runs; without, the inbox alone suppresses them. */
  readonly redisUrl?: string | undefined
  readonly observe?: Observer | undefined
  readonly middleware?: readonly Middleware[] | undefined
  /** Hears what the opening of the service needs next, and waits for when that is away. */
  readonly needs?: ((dependency: Dependency) => void) | undefined
}

export type Dependency = 'database' | 'broker'

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

interface CloseOptions {
  readonly timeoutMs: number
}

export interface RunningService extends ServiceTools {
  readonly service: ServiceName
  readonly schema: string
  readonly eventBus: EventBus<ShopContract>
  readonly relay: Relay
  /** Lets handlers finish and the outbox rest; what was cut off comes again at the next start. */
  close(options?: CloseOptions): Promise<void>
}

/** What a process that was killed had begun is anybody's this long after, as its outbox is. The inbox makes early harmless. */
const leaseMs = 9000

/**
 * Opens a service: its tables, its outbox and inbox, its event bus, its part in the saga. What was opened is closed again
 * when it does not come up.
 */
export async function openService<Service extends ServiceName>(
  definition: ServiceDefinition<Service>,
  surroundings: Surroundings,
): Promise<RunningService> {
  const closers: ((options?: CloseOptions) => Promise<unknown>)[] = []
  const close = async (options?: CloseOptions): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer(options)
  }
  try {
    return { ...(await open(definition, surroundings, closers)), close }
  } catch (error) {
    await close({ timeoutMs: 0 }).catch(() => undefined)
    throw error
  }
}

async function open<Service extends ServiceName>(
  { service, schema, migration, steps }: ServiceDefinition<Service>,
  { broker, databaseUrl, redisUrl, observe, middleware, needs }: Surroundings,
  closers: ((options?: CloseOptions) => Promise<unknown>)[],
): Promise<Omit<RunningService, 'close'>> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 12, pipeline: true, connectionTimeoutMillis: 5000 })
  closers.push(() => pool.end())
  const sql = pgSql(pool)

  const idempotency = redisUrl === undefined ? undefined : redisIdempotency({ redis: redisUrl, observe })
  if (idempotency !== undefined) closers.push(() => idempotency.close())
  // Connects to nothing yet, and refuses what is wrong with the URL.
  const eventBus = await createEventBus({
    service,
    contract,
    broker: typeof broker === 'string' ? broker : broker(),
    idempotency,
    hold: postgresHold({ sql, schema }),
    // Every step goes through the inbox: who was done is known there, also after a crash.
    isolation: 'best-effort',
    topology: 'create',
    // A service that is new, or was down when its first event came, misses none.
    from: 'earliest',
    consume: { leaseMs },
    observe,
    middleware,
  })
  closers.push(options => eventBus.close(options))
  needs?.('database')
  await migrate(
    sql,
    [...inboxMigrations, ...holdMigrations, ...leaseMigrations, ...outboxMigrations(), ...sagaMigrations, migration],
    { schema },
  )

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
  closers.push(() => participant.close())
  needs?.('broker')
  await eventBus.start()
  closers.push(options => relay.close(options))
  needs?.('database')
  await relay.start()
  return { service, schema, sql, outbox, eventBus, relay }
}
