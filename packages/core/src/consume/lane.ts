import { AgeList } from '../age-list.ts'
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
  /** Its neighbours among those that wait for a free handler. */
  older: this | undefined
  younger: this | undefined
  readonly #entries = new AgeList<Entry>()

  constructor(key: string | undefined) {
    this.key = key
  }

  get head(): Entry | undefined {
    return this.#entries.oldest
  }

  push(entry: Entry): void {
    this.#entries.add(entry)
  }

  remove(entry: Entry): void {
    this.#entries.remove(entry)
  }

  /** In order. */
  entries(): Entry[] {
    const entries: Entry[] = []
    for (let entry = this.head; entry !== undefined; entry = entry.younger) entries.push(entry)
    return entries
  }
}
