/** One event of a call that may be larger than the buffer. */
export interface Waiting {
  readonly bytes: number
  /** By the monotonic clock; Infinity: it waits as long as it takes. */
  readonly deadline: number
  /** There is room now. It need not take it. */
  readonly enter: () => void
  /** The deadline has come. */
  readonly expire: () => void
}

/** Where events wait for room in the buffer, in the order of the calls: nobody passes. */
export class WaitingRoom {
  readonly #hasRoom: (bytes: number) => boolean
  readonly #waiting = new Set<Waiting>()
  /** Those of them that have a deadline. */
  readonly #hurried = new Set<Waiting>()
  #isPlanned = false

  /** Asks `hasRoom` again after each event that was let in. */
  constructor(hasRoom: (bytes: number) => boolean) {
    this.#hasRoom = hasRoom
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  add(waiting: Waiting): void {
    this.#waiting.add(waiting)
    if (waiting.deadline < Infinity) this.#hurried.add(waiting)
  }

  /** Something left the buffer. Lets in at the end of this turn, so that whoever frees room is done with it. */
  open(): void {
    if (this.#isPlanned || this.isEmpty) return
    this.#isPlanned = true
    queueMicrotask(() => {
      this.#isPlanned = false
      this.#letIn(bytes => this.#hasRoom(bytes))
    })
  }

  /** Whoever waits is told to enter, room or not. */
  openToAll(): void {
    this.#letIn(() => true)
  }

  /** Sends away those whose deadline has come. */
  sweep(now: number): void {
    for (const waiting of this.#hurried) {
      if (waiting.deadline > now) continue
      this.#leave(waiting)
      waiting.expire()
    }
  }

  /** Infinity: nobody has one. */
  earliestDeadline(): number {
    let earliest = Infinity
    for (const { deadline } of this.#hurried) earliest = Math.min(earliest, deadline)
    return earliest
  }

  #letIn(hasRoom: (bytes: number) => boolean): void {
    for (const waiting of this.#waiting) {
      if (!hasRoom(waiting.bytes)) return
      this.#leave(waiting)
      waiting.enter()
    }
  }

  #leave(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    this.#hurried.delete(waiting)
  }
}
