import { MekongError } from '../error.ts'
import { persist, type Persistence } from './persist.ts'

const maxInOneTrip = 1000

export interface RoundTripOptions<Item, Answer> extends Persistence {
  /** Serves all items in one call; answers by index. */
  readonly call: (items: readonly Item[]) => Promise<readonly Answer[]>
}

/**
 * Turns single requests into few calls: whatever is asked in one turn of the event loop, or while a call is under way,
 * travels together. `undefined` is answered only when closing gives up on a store that is out of reach.
 */
export class RoundTrips<Item, Answer> {
  readonly #options: RoundTripOptions<Item, Answer>
  /** What is to be asked, and who waits for each answer. */
  #items: Item[] = []
  #waiting: ((answer: Answer | undefined) => void)[] = []
  #travelling: Promise<void> | undefined

  constructor(options: RoundTripOptions<Item, Answer>) {
    this.#options = options
  }

  ask(item: Item): Promise<Answer | undefined> {
    return new Promise(resolve => this.tell(item, resolve))
  }

  /** The same without a promise, for every message that comes. */
  tell(item: Item, onAnswer: (answer: Answer | undefined) => void): void {
    this.#items.push(item)
    this.#waiting.push(onAnswer)
    this.#travelling ??= this.#travel()
  }

  /** In one call, as far as a call is long enough. */
  askAll(items: readonly Item[]): Promise<readonly (Answer | undefined)[]> {
    if (items.length === 0) return Promise.resolve([])
    return new Promise(resolve => {
      const answers: (Answer | undefined)[] = []
      const take = (answer: Answer | undefined): void => {
        if (answers.push(answer) === items.length) resolve(answers)
      }
      for (const item of items) this.tell(item, take)
    })
  }

  /** Resolves when everything that was asked for is answered. */
  idle(): Promise<void> {
    return this.#travelling ?? Promise.resolve()
  }

  async #travel(): Promise<void> {
    // What else is asked in this turn comes along.
    await Promise.resolve()
    while (this.#items.length > 0) {
      const items = this.#items.splice(0, maxInOneTrip)
      const waiting = this.#waiting.splice(0, maxInOneTrip)
      const answers = await persist(() => this.#call(items), this.#options)
      for (let index = 0; index < waiting.length; index++) waiting[index]!(answers?.[index])
    }
    this.#travelling = undefined
  }

  async #call(items: readonly Item[]): Promise<readonly Answer[]> {
    const answers = await this.#options.call(items)
    if (answers.length === items.length) return answers
    throw new MekongError('STORE_UNAVAILABLE', `the store gave ${answers.length} answers to ${items.length} questions`)
  }
}
