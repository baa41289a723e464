/** Waits until each of some groups has acknowledged one message for good. */
export class Settling {
  readonly #waitingFor: Set<string>
  readonly #done: () => void

  constructor(groups: Iterable<string>, done: () => void) {
    this.#waitingFor = new Set(groups)
    this.#done = done
  }

  acknowledged(group: string): void {
    if (this.#waitingFor.delete(group) && this.#waitingFor.size === 0) this.#done()
  }
}
