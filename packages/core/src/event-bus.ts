import type { Contract, EventInput, EventType, UntypedContract } from './contract.ts'
import type { PreparedEvent } from './event/event.ts'
import type { Handler, HandlerMap } from './handler.ts'
import type { HeldEvents } from './hold/held-events.ts'
import type { PublishArguments, PublishOptions, PublishResult, Receipt } from './publish-options.ts'

/** Publishes and handles the events of one service. */
export interface EventBus<C extends Contract = UntypedContract> extends AsyncDisposable {
  /** The group: the name of the service. */
  readonly service: string
  /**
   * Resolves when the broker has the event. Calls in flight together travel together. Events of one key are stored in
   * the order of the calls.
   * @throws MekongError INVALID_DATA, EVENT_TOO_LARGE, PUBLISH_REFUSED, PUBLISH_NOT_SENT (surely not stored),
   * PUBLISH_UNKNOWN (perhaps stored: publish again with the same id), BUFFER_FULL, BUS_CLOSED
   */
  publish<T extends EventType<C>>(type: T, data: EventInput<C, T>, ...options: PublishArguments<C, T>): Promise<Receipt>
  /**
   * Never rejects for one event's sake: the answer of each, by index. Takes any number: what finds no room in the buffer
   * waits. Where an event was not published, PUBLISH_NOT_SENT is the answer for those of its key behind it in the same
   * call; one with invalid data stops nothing.
   */
  publishMany(events: readonly EventToPublish<C>[]): Promise<readonly PublishResult[]>
  /** One named handler of this group. Before or after `start`. */
  subscribe<T extends EventType<C>>(type: T, handler: Handler<C, T>, options?: SubscriptionOptions): void
  /** Handlers of several types of one topic: one subscription, one order. */
  subscribe(handlers: HandlerMap<C>, options?: SubscriptionOptions): void
  /** Checks everything that was asked for against what the broker can do, joins the group and begins to consume. */
  start(): Promise<void>
  /** Stops taking, lets handlers finish, settles, leaves. Idempotent. What was cut off is delivered again. */
  close(options?: CloseOptions): Promise<void>
  /** What this group holds: list, show, redrive, discard. */
  readonly held: HeldEvents
  health(): Health
  /** The raw client of a broker, by route name; the default one without. */
  native(route?: string): unknown
  /**
   * For relays: publishes prepared events as they are, ids kept. Answers by index, never rejects; as `publishMany` for room
   * and for what is behind an event that was not published.
   */
  forward(events: readonly PreparedEvent[], options?: ForwardOptions): Promise<readonly PublishResult[]>
  /** Whether the broker of this topic keeps what it stored when its process ends. */
  isDurable(topic: string): boolean
}

export type EventToPublish<C extends Contract = UntypedContract> = {
  [T in EventType<C>]: { readonly type: T; readonly data: EventInput<C, T>; readonly options?: PublishOptions }
}[EventType<C>]

export interface SubscriptionOptions {
  /** Part of what is remembered: renaming it means starting anew. @default its event types, sorted, joined by `+` */
  readonly name?: string
  /** @default 'key' where the contract has one (or there is no contract), else 'none' */
  readonly order?: 'key' | 'none'
  /** How many handlers of this subscription run at once. @default 16 */
  readonly concurrency?: number
  /** Deadline of one attempt in milliseconds. @default 30,000 */
  readonly timeoutMs?: number
  readonly retry?: RetryOptions
  /**
   * What an event that is dead does to the later ones of its key: `park` them behind it, `continue` without it, or `stop`
   * the key where it is, unsettled, until a restart; one that dies after a delayed attempt parks its key then. @default 'park' where order is kept and there is a hold store, else 'continue'
   */
  readonly onDead?: 'park' | 'continue' | 'stop'
}

export interface RetryOptions {
  /** Runs of the handler before the event is dead. @default 5 */
  readonly maxAttempts?: number
  /** How many of them follow at once, inside the process. @default 2 */
  readonly immediate?: number
  /** Upper bound of the first immediate retry's delay; doubles each time, full jitter. @default 50 */
  readonly immediateDelayMs?: number
  /** Upper bound of all immediate delays of one delivery together. @default 1,000 */
  readonly immediateBudgetMs?: number
  /** Delay of the first delayed attempt; doubles each time, up to `maxDelayMs`, half of it jitter. @default 1,000 */
  readonly delayMs?: number
  /** @default 600,000 */
  readonly maxDelayMs?: number
}

export interface CloseOptions {
  /** How long handlers may finish. @default 10,000 */
  readonly timeoutMs?: number
}

export interface ForwardOptions {
  /** @default 'stored' */
  readonly until?: 'stored' | 'settled'
  /** @default the bus's publish timeout */
  readonly timeoutMs?: number
}

export interface Health {
  readonly status: 'starting' | 'ok' | 'degraded' | 'failed' | 'closed'
  /** One line for each thing that is wrong. */
  readonly problems: readonly string[]
  /** Milliseconds since a message was last received or settled; undefined before the first. */
  readonly sinceProgressMs: number | undefined
}
