import { MekongError } from '../error.ts'
import type { SubscriptionOptions } from '../event-bus.ts'
import type { Handler } from '../handler.ts'

/** What was asked for, before the broker is known. */
export interface SubscriptionRequest {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly options: SubscriptionOptions
}

/**
 * Reads both forms of `subscribe`: a type, its handler and options, or a map of handlers and options.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function readSubscription(
  subject: string | object,
  second: unknown,
  third: SubscriptionOptions | undefined,
): SubscriptionRequest {
  const entries = typeof subject === 'string' ? [[subject, second] as const] : Object.entries(subject)
  for (const [type, handler] of entries) {
    if (typeof handler === 'function') continue
    throw new MekongError('INVALID_CONFIGURATION', `the handler of '${type}' must be a function, not ${typeof handler}`)
  }
  return {
    handlers: new Map(entries as (readonly [string, Handler])[]),
    options: (typeof subject === 'string' ? third : (second as SubscriptionOptions | undefined)) ?? {},
  }
}
