import type { Entry } from './entry.ts'

/** The events of one key in arrival order, one at a time; an event without order has a lane of its own. */
export class Lane {
  /** Undefined: without order. */
  readonly key: string | undefined
  /** Perhaps parked in the hold store: the store is asked before the next event runs. */
  parked = false
  /** Its head is at work, or it waits for a free handler. */
  busy = false
  /** Events of it are on their way into the hold store, until this resolves. */
  moving: Promise<void> | undefined
  /** A dead event stopped it; nothing runs before a restart. */
  stopped = false
  #entries: Entry[] = []
  #first = 0

  constructor(key: string | undefined) {
    this.key = key
  }

  get head(): Entry | undefined {
    return this.#entries[this.#first]
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
  }

  /** In order; does not copy unless asked to keep. */
  entries(): readonly Entry[] {
    return this.#first === 0 ? this.#entries : this.#entries.slice(this.#first)
  }

  remove(entry: Entry): void {
    if (this.head === entry) {
      this.#first++
      // Moves the rest only when most of the array is behind: constant work for each event on average.
      if (this.#first > 32 && this.#first * 2 > this.#entries.length) {
        this.#entries = this.#entries.slice(this.#first)
        this.#first = 0
      }
      return
    }
    const index = this.#entries.indexOf(entry, this.#first)
    if (index >= 0) this.#entries.splice(index, 1)
  }
}
