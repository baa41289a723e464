import { createCause } from '../event/cause.ts'
import type { Cause, HandlerContext } from '../handler.ts'
import type { Identity } from '../idempotency/idempotency-store.ts'
import type { PublishOptions, Receipt } from '../publish-options.ts'
import type { AbortSource } from './abort-source.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

/** Publishes on behalf of a handler. */
export type PublishFrom = (cause: Cause, type: string, data: unknown, options: PublishOptions) => Promise<Receipt>

/** What one attempt's handler sees: it stays as it is when the work goes on to its next attempt. */
export class EventContext implements HandlerContext {
  readonly #work: Work
  readonly #subscription: Subscription
  readonly #publishFrom: PublishFrom
  readonly #abortion: AbortSource
  readonly fence: number
  readonly attempt: number
  isDuplicate = false
  #cause: Cause | undefined

  constructor(work: Work, subscription: Subscription, publishFrom: PublishFrom) {
    this.#work = work
    this.#subscription = subscription
    this.#publishFrom = publishFrom
    this.#abortion = work.abortion
    this.fence = work.fence
    this.attempt = work.attempts
  }

  get id(): string {
    return this.#work.envelope.attributes.id
  }
  get source(): string {
    return this.#work.envelope.attributes.source
  }
  get type(): string {
    return this.#work.envelope.attributes.type
  }
  get time(): string | undefined {
    return this.#work.envelope.attributes.time
  }
  get topic(): string {
    return this.#subscription.topic
  }
  get key(): string | undefined {
    return this.#work.envelope.attributes.key
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#work.envelope.attributes.headers
  }
  get correlationId(): string {
    return this.#work.envelope.attributes.correlationId
  }
  get causationId(): string | undefined {
    return this.#work.envelope.attributes.causationId
  }
  get group(): string {
    return this.#subscription.scope.group
  }
  get subscription(): string {
    return this.#subscription.name
  }
  get identity(): Identity {
    return this.#work.identity
  }
  get deliveries(): number | undefined {
    return this.#work.message.deliveries
  }
  get signal(): AbortSignal {
    return this.#abortion.signal
  }
  get cause(): Cause {
    return (this.#cause ??= createCause(this.#work.envelope.attributes, this.#work.identity))
  }

  publish(type: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    return this.#publishFrom(this.cause, type, data, options)
  }

  markDuplicate(): void {
    this.isDuplicate = true
  }
}
