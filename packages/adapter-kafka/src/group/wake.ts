/** Lets one loop wait for a time or for somebody who has news for it, whichever is first. News is not lost in between. */
export class Wake {
  #isCalled = false
  #end: (() => void) | undefined

  call(): void {
    this.#isCalled = true
    this.#end?.()
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isCalled && ms > 0) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, ms)
        this.#end = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#end = undefined
    this.#isCalled = false
  }
}
