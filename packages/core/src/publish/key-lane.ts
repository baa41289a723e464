import type { PendingEvent } from './pending-event.ts'

/**
 * idle: nothing waits. ready: may be sent. busy: a batch with its events has no answer yet. resting: waits before a
 * repetition. Only a ready lane gives events to a batch, so a key never has two unresolved batches.
 */
export type LaneState = 'idle' | 'ready' | 'busy' | 'resting'

/** The events of one key of one topic that wait to be sent, in order. An event without a key has a lane of its own. */
export class KeyLane {
  readonly topic: string
  readonly key: string | undefined
  state: LaneState = 'idle'
  #first: PendingEvent | undefined
  #last: PendingEvent | undefined

  constructor(topic: string, key: string | undefined) {
    this.topic = topic
    this.key = key
  }

  get first(): PendingEvent | undefined {
    return this.#first
  }

  append(pending: PendingEvent): void {
    pending.previous = this.#last
    if (this.#last === undefined) this.#first = pending
    else this.#last.next = pending
    this.#last = pending
  }

  /** Puts back what was taken, before everything that waits. */
  prepend(events: readonly PendingEvent[]): void {
    for (const pending of events.toReversed()) {
      pending.next = this.#first
      if (this.#first === undefined) this.#last = pending
      else this.#first.previous = pending
      this.#first = pending
    }
  }

  take(): PendingEvent | undefined {
    const pending = this.#first
    if (pending === undefined) return undefined
    this.#first = pending.next
    if (this.#first === undefined) this.#last = undefined
    else this.#first.previous = undefined
    pending.next = undefined
    return pending
  }

  /** Takes out a waiting event with all that waits behind it, or all that waits. */
  cut(from: PendingEvent | undefined = this.#first): PendingEvent[] {
    if (from === undefined) return []
    this.#last = from.previous
    if (this.#last === undefined) this.#first = undefined
    else this.#last.next = undefined
    const removed: PendingEvent[] = []
    for (let pending: PendingEvent | undefined = from; pending !== undefined;) {
      const { next }: PendingEvent = pending
      pending.previous = undefined
      pending.next = undefined
      removed.push(pending)
      pending = next
    }
    return removed
  }
}

/** The lanes of keys with events under way; a key without any takes no memory. */
export class KeyLanes {
  readonly #byTopic = new Map<string, Map<string, KeyLane>>()

  of(topic: string, key: string | undefined): KeyLane {
    if (key === undefined) return new KeyLane(topic, undefined)
    let byKey = this.#byTopic.get(topic)
    if (byKey === undefined) this.#byTopic.set(topic, (byKey = new Map()))
    let lane = byKey.get(key)
    if (lane === undefined) byKey.set(key, (lane = new KeyLane(topic, key)))
    return lane
  }

  /** Nothing of it waits or is in flight. */
  retire(lane: KeyLane): void {
    lane.state = 'idle'
    if (lane.key === undefined) return
    const byKey = this.#byTopic.get(lane.topic)
    if (byKey?.get(lane.key) !== lane) return
    byKey.delete(lane.key)
    if (byKey.size === 0) this.#byTopic.delete(lane.topic)
  }
}
