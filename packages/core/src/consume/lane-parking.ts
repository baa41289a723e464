import type { Clock } from '../clock.ts'
import type { Partition } from '../driver/driver-contract.ts'
import type { Admission } from './admission.ts'
import type { Outcome } from './attempts.ts'
import type { ClaimBook } from './claim-book.ts'
import type { Entry } from './entry.ts'
import type { Appended, Holding } from './holding.ts'
import type { Lane } from './lane.ts'
import type { LaneBoard } from './lane-board.ts'
import type { Subscription } from './subscription.ts'

export interface LaneParkingOptions {
  readonly subscription: Subscription
  readonly book: ClaimBook
  readonly holding: Holding | undefined
  readonly clock: Clock
}

/** Moves events of a lane into the hold store: behind a parked key, or out of a window that one key fills. */
export class LaneParking {
  readonly #options: LaneParkingOptions
  readonly #board: LaneBoard
  readonly #admission: Admission

  constructor(options: LaneParkingOptions, board: LaneBoard, admission: Admission) {
    this.#options = options
    this.#board = board
    this.#admission = admission
  }

  /** False: the key is free, and the head of the lane runs. */
  async parkBehind(lane: Lane): Promise<boolean> {
    const { holding } = this.#options
    if (holding === undefined || lane.key === undefined) return false
    const claimed = leadingClaimed(lane)
    const appended = await this.#append(claimed, lane, lane.key)
    // While the key may be parked the store is asked before each event, so the rest runs only now that it is free.
    if (appended?.stoppedBy === 'not-parked') lane.parked = false
    return appended?.stoppedBy !== 'not-parked' || appended.count > 0
  }

  /** Moves lanes that fill more than `most` messages of a partition into the hold store. */
  async spill(partition: Partition, most: number): Promise<void> {
    for (const lane of this.#board.lanes()) {
      const filled = lane.entries().filter(entry => entry.isOn(partition)).length
      if (filled <= most || lane.stopped || lane.moving !== undefined || lane.head?.isEnding === true) continue
      if (lane.parked) await this.#spillTail(lane)
      else await this.#spillLane(lane)
    }
  }

  /** The head of a spilled lane ended: the hold store goes on with the events behind it. */
  async endSpilled(entry: Entry, outcome: Outcome): Promise<void> {
    const { holding, book, clock } = this.#options
    const lease = entry.spill
    if (holding === undefined || lease === undefined) return
    if (outcome.is === 'completed') {
      if ((await book.complete(entry.work)) === true) await holding.finish(lease, entry.work.identity.event)
      await holding.release(lease)
    } else if (outcome.is === 'delay') {
      await holding.keep(lease, entry.work, {
        state: 'delayed',
        dueAt: clock.now() + outcome.afterMs,
        error: outcome.error,
      })
    } else if (outcome.is === 'dead' && this.#options.subscription.onDead === 'continue') {
      await holding.setAside(lease, entry.work, outcome.error)
      await holding.release(lease)
    } else if (outcome.is === 'dead') {
      await holding.keep(lease, entry.work, { state: 'dead', dueAt: undefined, error: outcome.error })
    } else {
      await book.hold(entry.work)
      await holding.release(lease)
    }
    // The same message may have come again while it ran.
    this.#board.end(entry, holding.isDurable)
  }

  /** These are at work meanwhile; what found no room in the parked lane waits for its turn, unless that is now. */
  async #append(entries: readonly Entry[], lane: Lane, key: string): Promise<Appended | undefined> {
    const { holding } = this.#options
    for (const entry of entries) entry.state = 'running'
    const works = entries.map(entry => entry.work)
    const appended = await moving(lane, () => holding?.appendIfParked(works, key))
    const next = appended?.stoppedBy === 'not-parked' && appended.count === 0 ? lane.head : undefined
    for (const [index, entry] of entries.entries()) {
      if (appended === undefined) this.#board.remove(entry)
      else if (index < appended.count) this.#board.end(entry, holding?.isDurable ?? false)
      else if (entry !== next) this.#stay(entry)
    }
    return appended
  }

  /** The hold store did not take it: it waits for its turn, unless it was lost meanwhile. */
  #stay(entry: Entry): void {
    if (entry.state === 'gone') {
      if (entry.isClaimed) void this.#options.book.release(entry.work)
    } else if (!entry.isClaimed) this.#admission.reclaim(entry)
    else {
      entry.state = 'ready'
      entry.work.renew()
      if (entry.isDetached || this.#board.isClosing) this.#board.drop([entry])
    }
    this.#board.checkIdle()
  }

  async #spillLane(lane: Lane): Promise<void> {
    const { holding, book } = this.#options
    if (holding === undefined || lane.key === undefined) return
    const claimed = leadingClaimed(lane)
    const isHeadRunning = lane.head?.state === 'running'
    const works = claimed.map(entry => entry.work)
    const waiting = claimed.filter(entry => entry.state !== 'running')
    for (const entry of waiting) entry.state = 'running'
    const { key, head } = lane
    const lease = await moving(lane, async () => {
      const given = await holding.spill(works, key)
      if (isHeadRunning && head?.state === 'running') head.spill = given
      return given
    })
    if (lease === undefined) {
      for (const entry of waiting) this.#stay(entry)
      return this.#board.advance(lane)
    }
    lane.parked = true
    if (head !== undefined && head.spill === lease) head.decide({ is: 'over', durable: holding.isDurable })
    await Promise.all(waiting.map(entry => book.hold(entry.work)))
    for (const entry of waiting) this.#board.end(entry, holding.isDurable)
    if (head?.spill !== lease) await holding.release(lease)
  }

  /** Behind a head that still runs and whose lane was spilled before: what came since joins the parked ones. */
  async #spillTail(lane: Lane): Promise<void> {
    if (lane.key === undefined || lane.head?.spill === undefined) return
    const tail = leadingClaimed(lane).filter(entry => entry.state === 'ready')
    await this.#append(tail, lane, lane.key)
    this.#board.advance(lane)
  }
}

/** Says of the lane that events of it are on their way until `work` is over. */
async function moving<T>(lane: Lane, work: () => Promise<T> | undefined): Promise<T | undefined> {
  let end = (): void => undefined
  lane.moving = new Promise(resolve => (end = resolve))
  try {
    return await work()
  } finally {
    lane.moving = undefined
    end()
  }
}

/** The entries at the front of a lane that are ours. */
function leadingClaimed(lane: Lane): readonly Entry[] {
  const entries = lane.entries()
  const end = entries.findIndex(entry => entry.state !== 'ready' && entry.state !== 'running')
  return end < 0 ? entries : entries.slice(0, end)
}
