import type { Fate, Outgoing } from '@mekong/core/driver'

/** One call of `publish` on its way: who has no fate yet, and the promise that waits for all. */
export class Sending {
  readonly batch: readonly Outgoing[]
  readonly done: Promise<readonly Fate[]>
  /** What follows has not been given to the connection. */
  next = 0
  readonly #fates: (Fate | undefined)[]
  #open: number
  #resolve!: (fates: readonly Fate[]) => void

  constructor(batch: readonly Outgoing[]) {
    this.batch = batch
    this.#fates = Array.from<Fate | undefined>({ length: batch.length })
    this.#open = batch.length
    this.done = new Promise(resolve => (this.#resolve = resolve))
    if (batch.length === 0) this.#resolve([])
  }

  get isDone(): boolean {
    return this.#open === 0
  }

  /** The first fate of a message stays. */
  decide(index: number, fate: Fate): void {
    if (this.#fates[index] !== undefined) return
    this.#fates[index] = fate
    if (--this.#open === 0) this.#resolve(this.#fates as readonly Fate[])
  }

  hasFate(index: number): boolean {
    return this.#fates[index] !== undefined
  }

  /** What was sent may be stored, the rest is not and will not be. */
  giveUp(error: unknown): void {
    for (let index = 0; index < this.next; index++) this.decide(index, { is: 'unknown', error })
    this.dropUnsent(error)
  }

  dropUnsent(error: unknown): void {
    for (; this.next < this.batch.length; this.next++) this.decide(this.next, { is: 'not-stored', error })
  }
}
