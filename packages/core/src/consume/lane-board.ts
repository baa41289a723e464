import { AgeList } from '../age-list.ts'
import type { ClaimBook } from './claim-book.ts'
import type { Verdict } from './delivery.ts'
import type { Entry } from './entry.ts'
import { Lane } from './lane.ts'
import type { ParkedKeys } from './parked-keys.ts'
import type { Slots } from './slots.ts'
import type { Work } from './work.ts'

export interface LaneBoardOptions {
  readonly ordered: boolean
  /** Only where a partition stays with its owner. */
  readonly parkedKeys: ParkedKeys | undefined
  readonly slots: Slots
  readonly book: ClaimBook
  /** The head of its lane has its turn, until `turnOver` is called, once and later. */
  readonly run: (entry: Entry) => void
}

const overDurably: Verdict = { is: 'over', durable: true }
const over: Verdict = { is: 'over', durable: false }

/** How many events a broker redelivers whose attempts are remembered here. */
const maxRemembered = 10_000

/** Where the events of one subscription stand: which are here, in which lane, and whose turn it is. */
export class LaneBoard {
  readonly #options: LaneBoardOptions
  readonly #entries = new Map<string, Entry>()
  readonly #lanes = new Map<string, Lane>()
  /** Whose turn comes when a handler is free. */
  readonly #ready = new AgeList<Lane>()
  readonly #attemptsMade = new Map<string, number>()
  #whenIdle: (() => void)[] = []
  #isClosing = false

  constructor(options: LaneBoardOptions) {
    this.#options = options
    options.slots.onFree = () => this.#dispatch()
  }

  /** No turn begins any more. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  close(): void {
    this.#isClosing = true
  }

  entry(event: string): Entry | undefined {
    return this.#entries.get(event)
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  /** Those with a key. */
  lanes(): readonly Lane[] {
    return [...this.#lanes.values()]
  }

  laneFor(key: string | undefined): Lane {
    if (!this.#options.ordered || key === undefined) return new Lane(undefined)
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key)
      lane.parked = this.#options.parkedKeys?.mayHave(key) ?? false
      this.#lanes.set(key, lane)
    }
    return lane
  }

  /** Its key may be parked: the hold store is asked before its next event runs. */
  park(key: string): void {
    const lane = this.#lanes.get(key)
    if (lane !== undefined) lane.parked = true
  }

  /** At the end of its lane. */
  add(entry: Entry): void {
    this.#entries.set(entry.work.identity.event, entry)
    entry.lane.push(entry)
  }

  /** Runs of its handler for this event, before the broker brought it back. */
  attemptsMade(event: string): number {
    return this.#attemptsMade.get(event) ?? 0
  }

  rememberAttempts(work: Work): void {
    const { event } = work.identity
    this.#attemptsMade.delete(event)
    this.#attemptsMade.set(event, work.attempts)
    if (this.#attemptsMade.size <= maxRemembered) return
    const [oldest] = this.#attemptsMade.keys()
    if (oldest !== undefined) this.#attemptsMade.delete(oldest)
  }

  /** Its head may be ready: gives it its turn as soon as a handler is free. */
  advance(lane: Lane): void {
    if (lane.head === undefined && lane.key !== undefined && !lane.busy) {
      if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
      this.#rememberParked(lane)
      return
    }
    if (lane.busy || lane.stopped || lane.head?.state !== 'ready') return
    lane.busy = true
    this.#ready.add(lane)
    this.#dispatch()
  }

  /** Completed or held: tells every delivery of it. */
  end(entry: Entry, durable: boolean): void {
    if (entry.state === 'gone') return
    this.#attemptsMade.delete(entry.work.identity.event)
    this.remove(entry)
    entry.decide(durable ? overDurably : over)
  }

  /** Leaves without an end: nothing is settled. */
  remove(entry: Entry): void {
    this.#leaveLane(entry)
    this.advance(entry.lane)
  }

  /**
   * These never ran: their claims are given back and the broker delivers them again. All of them leave before a lane goes
   * on, because whatever stands behind one of them in its lane must not run before it.
   */
  drop(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.isClaimed && entry.state !== 'running') void this.#options.book.release(entry.work)
      this.#leaveLane(entry)
    }
    for (const entry of entries) this.advance(entry.lane)
  }

  async untilNoneRuns(concerns: (entry: Entry) => boolean): Promise<void> {
    const runs = (): boolean => [...this.#entries.values()].some(entry => entry.state === 'running' && concerns(entry))
    while (runs()) await new Promise<void>(resolve => this.#whenIdle.push(resolve))
  }

  /** Something ended, left or was detached: whoever waits in `untilNoneRuns` looks again. */
  checkIdle(): void {
    if (this.#whenIdle.length === 0) return
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiting) resolve()
  }

  #leaveLane(entry: Entry): void {
    entry.state = 'gone'
    if (this.#entries.get(entry.work.identity.event) === entry) this.#entries.delete(entry.work.identity.event)
    entry.lane.remove(entry)
    this.checkIdle()
  }

  #rememberParked(lane: Lane): void {
    if (lane.key !== undefined) this.#options.parkedKeys?.remember(lane.key, lane.parked)
  }

  #dispatch(): void {
    if (this.#isClosing) return
    for (let lane = this.#ready.oldest; lane !== undefined; lane = this.#ready.oldest) {
      const { head } = lane
      const isReady = head?.state === 'ready'
      if (isReady && !this.#options.slots.take()) return
      this.#ready.remove(lane)
      if (isReady) this.#options.run(head)
      else this.#idle(lane)
    }
  }

  turnOver({ lane }: Entry): void {
    this.#idle(lane)
    this.#options.slots.give()
    this.checkIdle()
  }

  #idle(lane: Lane): void {
    lane.busy = false
    this.advance(lane)
  }
}
