import type { Fate } from '@mekong/core/driver'
import type { Sending } from './sending.ts'

const stored: Fate = { is: 'stored' }

/** Confirmed ones at the front are cut off in pieces of at least this size. */
const cutAfter = 1024

/**
 * What a channel has sent and the broker has not answered, by delivery tag: the nth message on a channel has the tag n. Two
 * lists instead of an object or a closure for each message.
 */
export class ConfirmWindow {
  readonly #sendings: (Sending | undefined)[] = []
  readonly #indexes: number[] = []
  readonly #returned = new Map<number, unknown>()
  /** The tag of the first entry. */
  #base = 1
  /** Entries before this one are answered. */
  #head = 0
  #open = 0

  get size(): number {
    return this.#open
  }

  add(sending: Sending, index: number): void {
    this.#sendings.push(sending)
    this.#indexes.push(index)
    this.#open++
  }

  acknowledged(tag: number, multiple: boolean): void {
    this.#answer(tag, multiple, stored)
  }

  /** One of the queues did not take it, another one may have. */
  rejected(tag: number, multiple: boolean, error: unknown): void {
    this.#answer(tag, multiple, { is: 'unknown', error })
  }

  /** No queue takes this message; its acknowledgement follows. */
  returned(isIt: (sending: Sending, index: number) => boolean, error: unknown): void {
    for (let at = this.#head; at < this.#sendings.length; at++) {
      const sending = this.#sendings[at]
      if (sending === undefined || this.#returned.has(at + this.#base) || !isIt(sending, this.#indexes[at]!)) continue
      this.#returned.set(at + this.#base, error)
      return
    }
  }

  /** No answer will come any more. */
  lost(error: unknown): void {
    const fate: Fate = { is: 'unknown', error }
    for (let at = this.#head; at < this.#sendings.length; at++) this.#decide(at, fate)
    this.#sendings.length = 0
    this.#indexes.length = 0
    this.#returned.clear()
    this.#head = 0
    this.#open = 0
  }

  #answer(tag: number, multiple: boolean, fate: Fate): void {
    const last = tag - this.#base
    for (let at = multiple ? this.#head : last; at <= last; at++) this.#decide(at, fate)
    while (this.#head < this.#sendings.length && this.#sendings[this.#head] === undefined) this.#head++
    if (this.#head >= cutAfter || this.#head === this.#sendings.length) this.#cut()
  }

  #decide(at: number, fate: Fate): void {
    const sending = this.#sendings[at]
    if (sending === undefined) return
    this.#sendings[at] = undefined
    this.#open--
    const error = this.#returned.size === 0 ? undefined : this.#returned.get(at + this.#base)
    if (error === undefined) return sending.decide(this.#indexes[at]!, fate)
    this.#returned.delete(at + this.#base)
    sending.decide(this.#indexes[at]!, { is: 'not-stored', error })
  }

  #cut(): void {
    this.#sendings.splice(0, this.#head)
    this.#indexes.splice(0, this.#head)
    this.#base += this.#head
    this.#head = 0
  }
}
