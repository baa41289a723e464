import type { Cause, EventBus, HandlerContext } from '@mekong/core'
import type { StoredEvent } from './saga-database.ts'

/** A bus without a broker: the test itself delivers, as often and in whatever order it likes. */
export interface HandBus {
  readonly bus: Pick<EventBus, 'service' | 'subscribe'>
  /** `order.reserve:order.created`, … */
  readonly subscriptions: readonly string[]
  /** Hands an event to every subscription of its type; rejects when one does. Resolves with how many called it a duplicate. */
  deliver(event: StoredEvent, attempt?: number): Promise<number>
}

type AnyHandler = (event: unknown, context: HandlerContext) => unknown

export function handBus(service: string): HandBus {
  const handlers: { type: string; name: string; handle: AnyHandler }[] = []
  const subscribe = (type: unknown, handle: unknown, options: unknown): void => {
    handlers.push({ type: type as string, name: (options as { name: string }).name, handle: handle as AnyHandler })
  }
  return {
    bus: { service, subscribe: subscribe as EventBus['subscribe'] },
    get subscriptions() {
      return handlers.map(({ name }) => name)
    },
    async deliver(event, attempt = 1) {
      let duplicates = 0
      const markDuplicate = (): void => void duplicates++
      for (const { name, handle } of handlers.filter(({ type }) => type === event.type)) {
        await handle(structuredClone(event.data), contextOf(event, { service, name, attempt, markDuplicate }))
      }
      return duplicates
    },
  }
}

interface Circumstances {
  readonly service: string
  readonly name: string
  readonly attempt: number
  readonly markDuplicate: () => void
}

function contextOf(event: StoredEvent, { service, name, attempt, markDuplicate }: Circumstances): HandlerContext {
  const identity = { scope: `${service}/${name}`, event: `test ${event.id}` }
  const cause: Cause = {
    correlationId: event.correlationId,
    causationId: event.id,
    nextId: type => `${event.id}>${name}>${type}`,
  }
  const { id, type, correlationId } = event
  const attributes = {
    id,
    source: 'test',
    type,
    time: undefined,
    topic: type,
    key: undefined,
    headers: {},
    correlationId,
  }
  return {
    ...attributes,
    causationId: undefined,
    group: service,
    subscription: name,
    identity,
    fence: 1,
    attempt,
    deliveries: undefined,
    signal: new AbortController().signal,
    publish: () => Promise.reject(new Error('a step publishes through emit')),
    cause,
    markDuplicate,
  }
}
