import type { Contract, EventData, EventInput, EventType, UntypedContract } from './contract.ts'
import type { PublishArguments, Receipt } from './publish-options.ts'

/** Runs for each event of a subscription. It may run twice for one event; see docs/guarantees.md. */
export type Handler<C extends Contract = UntypedContract, T extends EventType<C> = EventType<C>> = (
  event: EventData<C, T>,
  context: HandlerContext<C>,
) => unknown

/** Handlers of several types of one topic, in one subscription: their order by key holds across the types. */
export type HandlerMap<C extends Contract = UntypedContract> = { readonly [T in EventType<C>]?: Handler<C, T> }

/** Everything a handler knows beside the data. */
export interface HandlerContext<C extends Contract = UntypedContract> {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly time: string | undefined
  readonly topic: string
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly correlationId: string
  readonly causationId: string | undefined
  readonly group: string
  readonly subscription: string
  /** Names this event for this subscription, the same in every attempt: the scope and the event of its identity. */
  readonly identity: { readonly scope: string; readonly event: string }
  /** Grows with every takeover. Pass it to effects outside the database, so that a late zombie can be refused. */
  readonly fence: number
  /** 1 for the first run of this handler for this event. */
  readonly attempt: number
  /** How often the broker handed the message over, where it counts. */
  readonly deliveries: number | undefined
  /** Aborts at the handler's deadline, when its partition or claim is lost, and when closing runs out of time. */
  readonly signal: AbortSignal
  /** Publishes with correlation and causation carried on and a repeatable id: a second run publishes the same events. */
  publish<T extends EventType<C>>(type: T, data: EventInput<C, T>, ...options: PublishArguments<C, T>): Promise<Receipt>
  /** What `publish` needs to know of its cause; an outbox takes it as `cause`. */
  readonly cause: Cause
  /** An inbox says that the effect was there already: nothing was done. Counted, not an error. */
  markDuplicate(): void
}

/** Ties what a handler publishes to the event that it handles. */
export interface Cause {
  readonly correlationId: string
  readonly causationId: string
  /** The id of the next event of this type and key that this attempt publishes: the same in every attempt. */
  nextId(type: string, key: string | undefined): string
}
