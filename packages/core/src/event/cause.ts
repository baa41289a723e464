import type { Cause } from '../handler.ts'
import type { Identity } from '../idempotency/idempotency-store.ts'
import type { EventAttributes } from './event.ts'
import { hashedId } from './event-id.ts'

/**
 * Ties what one attempt publishes to the event it handles. Make a new one for each attempt: the nth event of a type and key
 * then has the same id in every attempt, whatever else the attempts publish.
 */
export function createCause(attributes: Pick<EventAttributes, 'id' | 'correlationId'>, identity: Identity): Cause {
  // Made on first use: most handlers publish nothing.
  let published: Map<string, number> | undefined
  return {
    correlationId: attributes.correlationId,
    causationId: attributes.id,
    nextId(type, key) {
      published ??= new Map()
      const place = JSON.stringify([type, key ?? null])
      const ordinal = published.get(place) ?? 0
      published.set(place, ordinal + 1)
      return hashedId(identity.scope, identity.event, type, key, ordinal)
    },
  }
}
