import type { EventAttributes } from '../event/event.ts'
import type { Cause, HandlerContext } from '../handler.ts'
import type { Identity } from '../idempotency/idempotency-store.ts'
import type { PublishOptions, Receipt } from '../publish-options.ts'
import type { AbortSource } from './abort-source.ts'
import type { Subscription } from './subscription.ts'

/** Publishes on behalf of a handler. */
export type PublishFrom = (cause: Cause, type: string, data: unknown, options: PublishOptions) => Promise<Receipt>

export interface ContextParts {
  readonly attributes: EventAttributes
  readonly subscription: Subscription
  readonly identity: Identity
  readonly fence: number
  readonly attempt: number
  readonly deliveries: number | undefined
  readonly cause: Cause
  readonly publishFrom: PublishFrom
  /** Of this attempt. */
  readonly abortion: AbortSource
}

/** What one attempt's handler sees. */
export class EventContext implements HandlerContext {
  readonly #parts: ContextParts
  isDuplicate = false

  constructor(parts: ContextParts) {
    this.#parts = parts
  }

  get id(): string {
    return this.#parts.attributes.id
  }
  get source(): string {
    return this.#parts.attributes.source
  }
  get type(): string {
    return this.#parts.attributes.type
  }
  get time(): string | undefined {
    return this.#parts.attributes.time
  }
  get topic(): string {
    return this.#parts.subscription.topic
  }
  get key(): string | undefined {
    return this.#parts.attributes.key
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#parts.attributes.headers
  }
  get correlationId(): string {
    return this.#parts.attributes.correlationId
  }
  get causationId(): string | undefined {
    return this.#parts.attributes.causationId
  }
  get group(): string {
    return this.#parts.subscription.scope.group
  }
  get subscription(): string {
    return this.#parts.subscription.name
  }
  get identity(): Identity {
    return this.#parts.identity
  }
  get fence(): number {
    return this.#parts.fence
  }
  get attempt(): number {
    return this.#parts.attempt
  }
  get deliveries(): number | undefined {
    return this.#parts.deliveries
  }
  get signal(): AbortSignal {
    return this.#parts.abortion.signal
  }
  get cause(): Cause {
    return this.#parts.cause
  }

  publish(type: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    return this.#parts.publishFrom(this.#parts.cause, type, data, options)
  }

  markDuplicate(): void {
    this.isDuplicate = true
  }
}
