import {
  type Cause,
  type Clock,
  type Contract,
  createEventFactory,
  type EventInput,
  type EventType,
  MekongError,
  type Middleware,
  type PreparedEvent,
  type PublishOptions,
  type Receipt,
  systemClock,
  type UntypedContract,
} from '@mekong/core'
import { tablesOf, type Transaction } from '@mekong/postgres'
import { insertStatement, type OutboxOrder, requireUuid } from './outbox-insert.ts'
import { createPendingInserts } from './pending-inserts.ts'

export interface OutboxOptions<C extends Contract = UntypedContract> {
  /** CloudEvents source: the name of the service. */
  readonly source: string
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /** The declared event types. Without one, any type and any data goes. */
  readonly contract?: C | undefined
  /** Their `publish` runs when an event is written to the outbox; not again when it leaves it. */
  readonly middleware?: readonly Middleware[] | undefined
  /** @default 'causal' */
  readonly order?: OutboxOrder | undefined
  /**
   * `at-commit`: where the transaction can put statements off, all its events are one insert that travels with COMMIT; an
   * event stays in it also when a savepoint around the call is rolled back. `at-once`: one insert a call, always.
   * @default 'at-commit'
   */
  readonly insert?: 'at-commit' | 'at-once' | undefined
  readonly clock?: Clock | undefined
}

/** Publishes inside the transaction of the change that the events tell of: they are published if it commits, else not. */
export interface Outbox<C extends Contract = UntypedContract> {
  /**
   * Resolves when the event is part of the transaction; await it before the transaction ends. Events of one key leave in
   * the order of the calls.
   * @throws MekongError UNKNOWN_EVENT_TYPE, INVALID_DATA, INVALID_EVENT; and what the insert rejects with, now or at COMMIT
   */
  publish<T extends EventType<C>>(
    tx: Transaction,
    type: T,
    data: EventInput<C, T>,
    ...options: OutboxArguments<C, T>
  ): Promise<Receipt>
  /** All of them, in order, or none. Rejects as `publish` does. */
  publishMany(
    tx: Transaction,
    events: readonly OutboxEvent<C>[],
    options?: { readonly cause?: Cause | undefined },
  ): Promise<readonly Receipt[]>
  /**
   * Calls `wake` after the commit of a transaction with events; where the commit cannot be seen, when they were inserted.
   * Returns what ends that.
   */
  onPublished(wake: () => void): () => void
}

/** A delay is not possible here: the row is published when it is committed. */
export type OutboxPublishOptions = Omit<PublishOptions, 'delayMs'> & {
  /** `context.cause` of the handler: carries correlation on, and makes ids that are the same when it runs again. */
  readonly cause?: Cause | undefined
}

/** Options are optional, unless the contract says `key: 'required'`. */
export type OutboxArguments<C extends Contract, T extends EventType<C>> = C[T] extends { readonly key: 'required' }
  ? [options: OutboxPublishOptions & { readonly key: string }]
  : [options?: OutboxPublishOptions]

export type OutboxEvent<C extends Contract = UntypedContract> = {
  [T in EventType<C>]: {
    readonly type: T
    readonly data: EventInput<C, T>
    readonly options?: Omit<PublishOptions, 'delayMs'> | undefined
  }
}[EventType<C>]

/** @throws MekongError INVALID_CONFIGURATION */
export function createOutbox<const C extends Contract = UntypedContract>(options: OutboxOptions<C>): Outbox<C> {
  const {
    source,
    schema,
    contract,
    middleware = [],
    order = 'causal',
    insert = 'at-commit',
    clock = systemClock,
  } = options
  const table = tablesOf(schema)
  const factory = createEventFactory({ contract, source, clock })
  const listeners = new Set<() => void>()
  const inserts = createPendingInserts({
    mayPutOff: insert === 'at-commit',
    statement: events => insertStatement(table, order, events),
    published: () => {
      for (const wake of listeners) wake()
    },
  })

  const write = async (
    tx: Transaction,
    events: readonly ToWrite[],
    cause: Cause | undefined,
  ): Promise<readonly Receipt[]> => {
    const receipts: Receipt[] = []
    await inserts.add(tx, async () => {
      const prepared = await Promise.all(
        events.map(({ type, data, options: given }) => {
          refuseDelay(type, given)
          return factory.prepare(type, data, given, cause)
        }),
      )
      const written: PreparedEvent[] = []
      for (const event of prepared) receipts.push(await throughMiddleware(middleware, event, out => written.push(out)))
      written.forEach(requireUuid)
      return written
    })
    return receipts
  }

  return {
    async publish(tx, type, data, given = {}) {
      const { cause, ...publishOptions } = given as OutboxPublishOptions
      const [receipt] = await write(tx, [{ type, data, options: publishOptions }], cause)
      return receipt!
    },
    publishMany: (tx, events, { cause } = {}) => write(tx, events, cause),
    onPublished(wake) {
      listeners.add(wake)
      return () => listeners.delete(wake)
    },
  }
}

interface ToWrite {
  readonly type: string
  readonly data: unknown
  readonly options?: PublishOptions | undefined
}

function refuseDelay(type: string, { delayMs }: PublishOptions = {}): void {
  if (delayMs === undefined || delayMs === 0) return
  throw new MekongError(
    'INVALID_EVENT',
    `${type} cannot be delayed in an outbox: it leaves when its transaction commits`,
  )
}

/** The innermost step takes the event over into the insert that follows. */
function throughMiddleware(
  middleware: readonly Middleware[],
  event: PreparedEvent,
  take: (event: PreparedEvent) => void,
): Promise<Receipt> {
  const step = (index: number, current: PreparedEvent): Promise<Receipt> => {
    const next = middleware.slice(index).find(({ publish }) => publish !== undefined)
    if (next?.publish !== undefined) {
      return next.publish(current, changed => step(middleware.indexOf(next) + 1, changed))
    }
    take(current)
    return Promise.resolve({ id: current.id, type: current.type, topic: current.topic })
  }
  return step(0, event)
}
