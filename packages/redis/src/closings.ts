import type { RedisClient } from './redis-client.ts'

type Listener = () => void

const byClient = new WeakMap<RedisClient, Closings>()

/** Who wants to know that a client's connection was closed: one listener of the client for any number of stores. */
export function closingsOf(client: RedisClient): Closings {
  const known = byClient.get(client) ?? new Closings(client)
  byClient.set(client, known)
  return known
}

class Closings {
  readonly #client: RedisClient
  readonly #listeners = new Set<Listener>()

  constructor(client: RedisClient) {
    this.#client = client
  }

  add(listener: Listener): void {
    if (this.#listeners.size === 0) this.#client.on('close', this.#closed)
    this.#listeners.add(listener)
  }

  delete(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size === 0) this.#client.off('close', this.#closed)
  }

  readonly #closed = (): void => {
    for (const listener of this.#listeners) listener()
  }
}
