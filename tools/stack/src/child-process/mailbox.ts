/** A message with a name to wait for. */
export interface NamedMessage {
  readonly name: string
  readonly content: unknown
}

/** Keeps messages until somebody asks for them by name. */
export interface Mailbox {
  deliver(message: NamedMessage): void
  /**
   * The content of the oldest message of this name that nobody has taken, or else of the next. Those who wait for one
   * name are served in their order. Rejects with the signal's reason; a message that is there already is given first.
   */
  take(name: string, signal?: AbortSignal): Promise<unknown>
}

interface Taker {
  readonly name: string
  give(content: unknown): void
}

export function createMailbox(): Mailbox {
  const kept: NamedMessage[] = []
  const takers: Taker[] = []

  return {
    deliver(message) {
      const taker = remove(takers, ({ name }) => name === message.name)
      if (taker === undefined) kept.push(message)
      else taker.give(message.content)
    },
    async take(name, signal) {
      const message = remove(kept, one => one.name === name)
      if (message !== undefined) return message.content
      signal?.throwIfAborted()
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          remove(takers, one => one === taker)
          reject(signal?.reason)
        }
        const taker: Taker = {
          name,
          give(content) {
            signal?.removeEventListener('abort', abort)
            resolve(content)
          },
        }
        takers.push(taker)
        signal?.addEventListener('abort', abort, { once: true })
      })
    },
  }
}

function remove<Item>(items: Item[], isWanted: (item: Item) => boolean): Item | undefined {
  const index = items.findIndex(isWanted)
  return index < 0 ? undefined : items.splice(index, 1)[0]
}
