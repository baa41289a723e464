import type { Contract, EventType } from './contract.ts'

export interface PublishOptions {
  /** What order is kept by; overrides the contract's key. */
  readonly key?: string
  /** Application headers. Names are lower-cased; `ce-…`, `mekong-…` and `content-type` are the bus's own. */
  readonly headers?: Readonly<Record<string, string>>
  /** Publishing twice with one idempotency key publishes one event: it makes the id. */
  readonly idempotencyKey?: string
  /** Delivered no earlier than this many milliseconds from now. @default 0 */
  readonly delayMs?: number
  /** @default the contract's version, or 1 */
  readonly schemaVersion?: number
  /** @default a new one: the event's own id */
  readonly correlationId?: string
  /** The event that this one follows from. */
  readonly causationId?: string
  /** CloudEvents id. @default a UUID (version 7) */
  readonly id?: string
}

/** Options are optional, unless the contract says `key: 'required'`. */
export type PublishArguments<C extends Contract, T extends EventType<C>> = C[T] extends { readonly key: 'required' }
  ? [options: PublishOptions & { readonly key: string }]
  : [options?: PublishOptions]

/** The broker has the event. */
export interface Receipt {
  readonly id: string
  readonly type: string
  readonly topic: string
}

export type PublishResult =
  | { readonly is: 'published'; readonly receipt: Receipt }
  | { readonly is: 'failed'; readonly error: unknown }
