import type { Clock } from '../clock.ts'

interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/**
 * Runs things later, in the order in which they fall due, on one timer. It keeps the process alive while somebody is there
 * to hear of them, as the connection to a remote broker would.
 */
export class DueQueue {
  readonly #clock: Clock
  /** A binary heap: no entry is due before its parent, which stands at half of its index. */
  readonly #heap: Due[] = []
  #added = 0
  #armedFor = Number.POSITIVE_INFINITY
  #isAwaited = false
  #disarm: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Fractions of a millisecond are rounded up. */
  after(ms: number, run: () => void): void {
    this.#push({ at: this.#clock.monotonic() + Math.ceil(ms), order: this.#added++, run })
    this.#arm()
  }

  /** Whether somebody waits for what falls due. */
  set isAwaited(isAwaited: boolean) {
    if (this.#isAwaited === isAwaited) return
    this.#isAwaited = isAwaited
    this.#disarm()
    this.#armedFor = Number.POSITIVE_INFINITY
    this.#arm()
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first === undefined || first.at >= this.#armedFor) return
    this.#disarm()
    this.#armedFor = first.at
    // Rounded up: a timer that fires a fraction too early would be set again for no time at all.
    const inMs = Math.max(0, Math.ceil(first.at - this.#clock.monotonic()))
    this.#disarm = this.#clock.after(inMs, () => this.#fire(), this.#isAwaited ? undefined : 'background')
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#pop()
      first.run()
    }
    this.#arm()
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(due, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
