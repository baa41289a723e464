/** Events of one key came in the wrong order; a failure shows what happened to that key. */
export class OrderViolation extends Error {
  override readonly name = 'OrderViolation'
  readonly key: string
  /** What came too early. */
  readonly event: string

  constructor(key: string, found: readonly string[], wanted: readonly string[]) {
    const firstWrong = wanted.findIndex((one, index) => found[index] !== one)
    super(
      `order of ${key}: ${found[firstWrong] ?? 'nothing'} came where ${wanted[firstWrong] ?? 'nothing'} was due; all: ${found.join(' ')}`,
    )
    this.key = key
    this.event = found[firstWrong] ?? found.at(-1) ?? key
  }
}
