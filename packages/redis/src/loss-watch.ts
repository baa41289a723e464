/**
 * Knows that Redis lost its data: a bucket's head has an epoch, the time at which it was made, and a head that was made
 * anew has another one.
 */
export class LossWatch {
  readonly #retentionMs: number
  readonly #seen = new Map<string, { readonly epoch: number; readonly at: number }>()

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  /** True once for each loss, however many buckets it took. `at` is monotonic. */
  see(heads: readonly string[], epochs: readonly number[], at: number): boolean {
    const isLost = heads.some((head, place) => this.#isAnother(head, epochs[place], at))
    if (isLost) this.#seen.clear()
    for (const [place, head] of heads.entries()) this.#seen.set(head, { epoch: epochs[place] ?? 0, at })
    return isLost
  }

  /** The head of a bucket that nobody used for long has expired, and so has what it was for. */
  #isAnother(head: string, epoch: number | undefined, at: number): boolean {
    const seen = this.#seen.get(head)
    return seen !== undefined && seen.epoch !== epoch && at - seen.at < this.#retentionMs
  }
}
