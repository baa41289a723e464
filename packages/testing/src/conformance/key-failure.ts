/** Something went wrong with one key: a failure shows what happened to it. */
export class KeyFailure extends Error {
  override readonly name = 'KeyFailure'
  readonly key: string
  /** The event that came too early, or never. */
  readonly event: string

  constructor(key: string, event: string, message: string) {
    super(`${key}: ${message}`)
    this.key = key
    this.event = event
  }
}
