/** Why a request waits no longer: its time is over, or what it waited for has ended. */
export class OutOfPatience extends Error {}

/** How long one request waits, for one thing after the other. */
export class Patience {
  readonly #isOver: Promise<OutOfPatience>
  readonly #timer: NodeJS.Timeout
  #tell!: (reason: OutOfPatience) => void

  constructor(timeoutMs: number) {
    this.#isOver = new Promise(resolve => {
      this.#tell = resolve
    })
    this.#timer = setTimeout(() => this.#tell(new OutOfPatience(`not within ${Math.round(timeoutMs)} ms`)), timeoutMs)
  }

  /** @throws OutOfPatience; what becomes of the work then is nobody's business */
  async for<T>(work: Promise<T>): Promise<T> {
    const first = await Promise.race([work, this.#isOver])
    if (!(first instanceof OutOfPatience)) return first
    work.catch(() => undefined)
    throw first
  }

  /** Whatever is waited for will not come. */
  end(why: string): void {
    this.#tell(new OutOfPatience(why))
  }

  /** Nothing is waited for any more. */
  cancel(): void {
    clearTimeout(this.#timer)
  }
}
