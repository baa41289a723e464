/** Lets many in together or one alone, in the order in which they ask. */
export class Solitude {
  readonly #waiting: { readonly alone: boolean; readonly enter: () => void }[] = []
  #inside = 0
  #isAlone = false

  enter(how: 'together' | 'alone'): Promise<void> {
    return new Promise(enter => {
      this.#waiting.push({ alone: how === 'alone', enter })
      this.#letIn()
    })
  }

  leave(): void {
    this.#inside--
    this.#isAlone = false
    this.#letIn()
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoomFor(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#inside++
      this.#isAlone = next.alone
      next.enter()
    }
  }

  #hasRoomFor(alone: boolean): boolean {
    return alone ? this.#inside === 0 : !this.#isAlone
  }
}
