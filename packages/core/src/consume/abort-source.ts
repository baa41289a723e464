import type { MekongError } from '../error.ts'

/** An AbortController that is made only when somebody looks at its signal: most handlers never do. */
export class AbortSource {
  #controller: AbortController | undefined
  #reason: MekongError | undefined

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  /** The first reason stays. */
  abort(reason: MekongError): void {
    this.#reason ??= reason
    this.#controller?.abort(this.#reason)
  }
}
