/** How much a run publishes: `events` over `keys`, each key counting its own from 1. */
export interface Load {
  readonly events: number
  readonly keys: number
}

/** One event of the load. */
export interface Numbered {
  readonly key: string
  readonly number: number
}

/** All events in the order of publishing: the keys in turn, so that each of them is under way all the time. */
export function* numbered({ events, keys }: Load): Generator<Numbered> {
  for (let index = 0; index < events; index++) {
    yield { key: `key-${index % keys}`, number: Math.floor(index / keys) + 1 }
  }
}

/** Publishing it twice publishes one event. */
export function idempotencyKeyOf({ key, number }: Numbered): string {
  return `${key}/${number}`
}
