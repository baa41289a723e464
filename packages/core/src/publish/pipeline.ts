import type { Clock } from '../clock.ts'
import type { Driver, Fate, Outgoing } from '../driver/driver-contract.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Receipt } from '../publish-options.ts'
import type { Observer } from '../signal.ts'
import { KeyLanes, type KeyLane } from './key-lane.ts'
import type { PendingEvent } from './pending-event.ts'
import { classify, givenUp, refusal, verdictOn, type Failure } from './publish-failure.ts'
import type { PublishTuning } from './publish-tuning.ts'
import { ReadyLanes } from './ready-lanes.ts'
import { sendBatch } from './send-batch.ts'
import { WaitingRoom, type Waiting } from './waiting-room.ts'

export interface PipelineOptions {
  readonly driver: Driver
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Never throws. */
  readonly observe: Observer | undefined
  readonly tuning: PublishTuning
  readonly until: Outgoing['until']
}

/** What the caller of a publish waits for. */
export interface Caller {
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
}

/** Deadlines are looked after at most so often. */
const sweepEveryMs = 10

/**
 * Takes events from callers to the driver in batches and brings back an answer for each, in time. What it never does:
 * have two unresolved batches with one key, send anything of a key before what was called earlier and is not answered,
 * answer twice, or say `published` without the driver's `stored`.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #lanes = new KeyLanes()
  readonly #ready: ReadyLanes
  readonly #pending = new Set<PendingEvent>()
  readonly #waitingRoom = new WaitingRoom(bytes => this.#fits(bytes))
  readonly #maxInFlight: { readonly events: number; readonly bytes: number }
  #bufferedBytes = 0
  #inFlightEvents = 0
  #inFlightBytes = 0
  /** Came in since the last batch was made. */
  #freshEvents = 0
  #freshBytes = 0
  #isPumpPlanned = false
  #cancelLinger: (() => void) | undefined
  #sweepAt = Infinity
  #cancelSweep: (() => void) | undefined
  #idleWaiters: (() => void)[] = []

  constructor(options: PipelineOptions) {
    this.#options = options
    const { driver, tuning, until } = options
    const { batch, sameKeyBatch } = driver.capabilities
    const isSettled = until === 'settled'
    // Settled may take as long as handlers do: events of several keys would wait for each other, and a bound in flight
    // below the buffer's would let slow handlers stop all others.
    this.#maxInFlight = isSettled
      ? { events: tuning.maxBufferedEvents, bytes: tuning.maxBufferedBytes }
      : { events: tuning.maxInFlightEvents, bytes: tuning.maxBufferedBytes / 4 }
    const limits = {
      events: Math.min(tuning.maxBatchEvents, batch.entries),
      bytes: batch.bytes,
      runs: sameKeyBatch === 'together',
      keys: !isSettled,
    }
    this.#ready = new ReadyLanes(limits, pending => partitionOf(driver, pending.outgoing))
  }

  /** Whether another event of this size may be taken now: there is room, and nobody waits for it. */
  hasRoom(bytes: number): boolean {
    return this.#waitingRoom.isEmpty && this.#fits(bytes)
  }

  /** Calls `enter` when there is room for it and for all that waited before. */
  waitForRoom(waiting: Waiting): void {
    this.#waitingRoom.add(waiting)
    if (waiting.deadline < this.#sweepAt) this.#planSweep(waiting.deadline)
  }

  /** An empty buffer takes any. */
  #fits(bytes: number): boolean {
    const { maxBufferedEvents, maxBufferedBytes } = this.#options.tuning
    if (this.#pending.size === 0) return true
    return this.#pending.size < maxBufferedEvents && this.#bufferedBytes + bytes <= maxBufferedBytes
  }

  add(event: PreparedEvent, how: { delayMs: number; timeoutMs: number; bytes: number }, caller: Caller): void {
    const { clock, until } = this.#options
    const { topic, key, headers, body } = event
    const startedAt = clock.monotonic()
    const lane = this.#lanes.of(topic, key)
    const pending: PendingEvent = {
      event,
      outgoing: { topic, key, headers, body, delayMs: how.delayMs, until },
      bytes: how.bytes,
      startedAt,
      deadline: startedAt + how.timeoutMs,
      resolve: caller.resolve,
      reject: caller.reject,
      lane,
      previous: undefined,
      next: undefined,
      sends: 0,
      faults: 0,
      isDoubtful: false,
      isInFlight: false,
      isSettled: false,
      lastFailure: undefined,
    }
    this.#pending.add(pending)
    this.#bufferedBytes += pending.bytes
    lane.append(pending)
    if (lane.state === 'idle') this.#ready.add(lane)
    if (pending.deadline < this.#sweepAt) this.#planSweep(pending.deadline)
    this.#planPump(pending)
  }

  /** Resolves when nothing is pending, or after `timeoutMs`. Lingering ends now. */
  flush(timeoutMs: number): Promise<void> {
    this.#pump()
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = this.#options.clock.after(timeoutMs, resolve)
      this.#idleWaiters.push(() => {
        cancel()
        resolve()
      })
    })
  }

  /** Rejects everything that is pending. */
  abandon(why: string): void {
    for (const pending of this.#pending) {
      pending.lane.cut()
      this.#fail(pending, givenUp(pending, why))
    }
    this.#waitingRoom.openToAll()
    this.#sweepLanes()
    this.#cancelSweep?.()
    this.#cancelLinger?.()
  }

  /** At the end of this turn; with a linger only when there is enough for a batch, else when it is over. */
  #planPump(pending: PendingEvent): void {
    const { tuning, driver, clock } = this.#options
    this.#freshEvents++
    this.#freshBytes += pending.bytes
    const { entries, bytes } = driver.capabilities.batch
    const isFull = this.#freshEvents >= Math.min(tuning.maxBatchEvents, entries) || this.#freshBytes >= bytes
    if (tuning.lingerMs > 0 && !isFull) this.#cancelLinger ??= clock.after(tuning.lingerMs, () => this.#pump())
    else if (!this.#isPumpPlanned) {
      this.#isPumpPlanned = true
      queueMicrotask(() => this.#pump())
    }
  }

  /** Sends whatever is ready and finds room in flight. */
  #pump(): void {
    this.#isPumpPlanned = false
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
    this.#freshEvents = 0
    this.#freshBytes = 0
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) this.#send(batch)
  }

  #take(): PendingEvent[] {
    return this.#ready.take({
      events: this.#maxInFlight.events - this.#inFlightEvents,
      bytes: this.#maxInFlight.bytes - this.#inFlightBytes,
      isIdle: this.#inFlightEvents === 0,
    })
  }

  #send(batch: readonly PendingEvent[]): void {
    const { driver, clock } = this.#options
    let bytes = 0
    for (const pending of batch) {
      pending.isInFlight = true
      pending.sends++
      bytes += pending.bytes
    }
    this.#inFlightEvents += batch.length
    this.#inFlightBytes += bytes
    const outgoing = batch.map(pending => pending.outgoing)
    sendBatch({ driver, clock, timeoutMs: this.#sendTimeoutMs(batch) }, outgoing, fates => {
      this.#inFlightEvents -= batch.length
      this.#inFlightBytes -= bytes
      this.#answered(batch, fates)
      this.#pump()
    })
  }

  /** As long as the most patient event has, but a third of the usual time, so that it can be repeated. */
  #sendTimeoutMs(batch: readonly PendingEvent[]): number {
    const { clock, tuning, until } = this.#options
    let latest = 0
    for (const { deadline } of batch) latest = Math.max(latest, deadline)
    const leftMs = Math.max(1, Math.ceil(latest - clock.monotonic()))
    return until === 'settled' ? leftMs : Math.min(leftMs, Math.ceil(tuning.timeoutMs / 3))
  }

  #answered(batch: readonly PendingEvent[], fates: readonly Fate[]): void {
    const again: PendingEvent[] = []
    for (let start = 0; start < batch.length;) {
      const { lane } = batch[start]!
      let end = start + 1
      while (batch[end]?.lane === lane) end++
      const repeated = this.#judge(batch, fates, { start, end })
      start = end
      if (repeated.length > 0) {
        lane.prepend(repeated)
        lane.state = 'resting'
        for (const pending of repeated) again.push(pending)
      } else this.#release(lane)
    }
    if (again.length === 0) return
    this.#reportRepetition(again)
    this.#repeatLater(again)
  }

  /** Answers callers of one lane's events; gives back those that are sent again. */
  #judge(
    batch: readonly PendingEvent[],
    fates: readonly Fate[],
    run: { readonly start: number; readonly end: number },
  ): readonly PendingEvent[] {
    let again: PendingEvent[] | undefined
    // The caller of an earlier one was told that it failed, so what was sent behind it is not sent again.
    let hasFailedAhead = false
    for (let index = run.start; index < run.end; index++) {
      const pending = batch[index]!
      const fate = fates[index]!
      pending.isInFlight = false
      if (fate.is === 'stored') {
        this.#publish(pending)
        continue
      }
      pending.lastFailure = fate
      pending.isDoubtful ||= fate.is === 'unknown'
      if (hasFailedAhead) this.#fail(pending, givenUp(pending, behind))
      else if (!pending.isSettled && this.#isRepeated(pending, fate, batch.length === 1)) (again ??= []).push(pending)
      else hasFailedAhead = true
    }
    return again ?? none
  }

  /** Otherwise it has failed, with everything that waits behind it. */
  #isRepeated(pending: PendingEvent, fate: Failure, isAlone: boolean): boolean {
    const failure = classify(this.#options.driver, fate.error)
    // Being too fast is nobody's fault, and sending one by one would make it worse.
    if (failure !== 'throttled') pending.faults++
    const verdict = verdictOn(pending, fate, failure, isAlone)
    if (verdict === 'again') return true
    this.#fail(pending, verdict === 'given-up' ? givenUp(pending, 'the driver is closed') : refusal(pending, verdict))
    this.#failAll(pending.lane.cut())
    return false
  }

  /** Its batch is answered, or its rest is over. */
  #release(lane: KeyLane): void {
    if (lane.first === undefined) this.#lanes.retire(lane)
    else this.#ready.add(lane)
  }

  #reportRepetition(again: readonly PendingEvent[]): void {
    const byTopic = new Map<string, { events: number; failure: Failure }>()
    for (const { event, lastFailure: failure } of again) {
      const reported = byTopic.get(event.topic)
      if (reported !== undefined) reported.events++
      else if (failure !== undefined) byTopic.set(event.topic, { events: 1, failure })
    }
    for (const [topic, { events, failure }] of byTopic) {
      this.#options.observe?.({ is: 'publish-retried', topic, events, fate: failure.is, error: failure.error })
    }
  }

  /** Full jitter, so that many publishers do not come back together. */
  #repeatLater(again: readonly PendingEvent[]): void {
    const { clock, random, tuning } = this.#options
    const sends = again.reduce((most, pending) => Math.max(most, pending.sends), 1)
    const boundMs = Math.min(tuning.maxRetryDelayMs, tuning.retryDelayMs * 2 ** (sends - 1))
    const lanes = new Set(again.map(pending => pending.lane))
    clock.after(Math.max(1, random() * boundMs), () => {
      for (const lane of lanes) this.#release(lane)
      this.#pump()
    })
  }

  #publish(pending: PendingEvent): void {
    if (pending.isSettled) return
    this.#settle(pending)
    const { clock, observe } = this.#options
    const { id, type, topic } = pending.event
    pending.resolve({ id, type, topic })
    observe?.({ is: 'published', type, topic, id, tookMs: clock.monotonic() - pending.startedAt })
  }

  #fail(pending: PendingEvent, error: unknown): void {
    if (pending.isSettled) return
    this.#settle(pending)
    const { id, type, topic } = pending.event
    pending.reject(error)
    this.#options.observe?.({ is: 'publish-failed', type, topic, id, error })
  }

  #failAll(waiting: readonly PendingEvent[]): void {
    for (const pending of waiting) this.#fail(pending, givenUp(pending, behind))
  }

  #settle(pending: PendingEvent): void {
    pending.isSettled = true
    this.#pending.delete(pending)
    this.#bufferedBytes -= pending.bytes
    this.#waitingRoom.open()
    if (this.#pending.size > 0) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  /** When the earliest known deadline has come, looks through everything pending, which is bounded. */
  #planSweep(deadline: number): void {
    const { clock } = this.#options
    this.#cancelSweep?.()
    this.#sweepAt = deadline
    this.#cancelSweep = clock.after(Math.max(0, deadline - clock.monotonic()), () => this.#sweep())
  }

  #sweep(): void {
    const now = this.#options.clock.monotonic()
    this.#waitingRoom.sweep(now)
    let earliest = this.#waitingRoom.earliestDeadline()
    for (const pending of this.#pending) {
      if (pending.deadline <= now) this.#timeOut(pending)
      else earliest = Math.min(earliest, pending.deadline)
    }
    this.#sweepLanes()
    this.#sweepAt = Infinity
    this.#cancelSweep = undefined
    if (earliest < Infinity) this.#planSweep(Math.max(earliest, now + sweepEveryMs))
  }

  /** What waits behind it fails with it. A batch that it is in stays its key's unresolved batch until it is answered. */
  #timeOut(pending: PendingEvent): void {
    const waiting = pending.isInFlight ? pending.lane.cut() : pending.lane.cut(pending).slice(1)
    const afterMs = Math.round(pending.deadline - pending.startedAt)
    this.#fail(pending, givenUp(pending, `no certain answer within ${afterMs} ms`))
    this.#failAll(waiting)
  }

  #sweepLanes(): void {
    this.#ready.sweep(lane => this.#lanes.retire(lane))
  }
}

const behind = 'an earlier event of its key failed'
const none: readonly PendingEvent[] = []

function partitionOf(driver: Driver, outgoing: Outgoing): string {
  try {
    return driver.partitionOf(outgoing)
  } catch {
    return outgoing.topic
  }
}
