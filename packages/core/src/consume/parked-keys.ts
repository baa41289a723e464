/** Keys are parked and freed for as long as a process lives: from so many on the store is asked which of them still are. */
const forgetAbove = 1000

/**
 * Which keys may be parked in the hold store, where a partition stays with its owner and nobody else parks its keys. Others
 * may free them, so a key that is here is asked for, and one that is not is free.
 */
export class ParkedKeys {
  readonly #load: () => Promise<readonly string[] | undefined>
  #keys = new Set<string>()
  #forgetAbove = forgetAbove
  #isForgetting = false

  /** `load` asks the store, until it answers. */
  constructor(load: () => Promise<readonly string[] | undefined>) {
    this.#load = load
  }

  mayHave(key: string): boolean {
    return this.#isForgetting || this.#keys.has(key)
  }

  /** Resolves with what the store says. */
  async learn(): Promise<readonly string[]> {
    const parked = (await this.#load()) ?? []
    for (const key of parked) this.#keys.add(key)
    return parked
  }

  remember(key: string, isParked: boolean): void {
    if (isParked) this.#keys.add(key)
    else this.#keys.delete(key)
    if (this.#keys.size > this.#forgetAbove) void this.#forget()
  }

  /** Meanwhile every key may be parked: what is parked while the store answers would be missing. */
  async #forget(): Promise<void> {
    if (this.#isForgetting) return
    this.#isForgetting = true
    const before = this.#keys
    this.#keys = new Set()
    const parked = (await this.#load()) ?? before
    for (const key of parked) this.#keys.add(key)
    this.#forgetAbove = 2 * this.#keys.size + forgetAbove
    this.#isForgetting = false
  }
}
