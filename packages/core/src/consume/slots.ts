/** How many handlers of a subscription run at once, shared by what arrives and what is held. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []
  /** Called when one is free and nobody waits in `acquire`. */
  onFree: () => void = () => undefined

  constructor(count: number) {
    this.#free = count
  }

  take(): boolean {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  async acquire(): Promise<void> {
    if (this.take()) return
    await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) return next()
    this.#free++
    this.onFree()
  }
}
