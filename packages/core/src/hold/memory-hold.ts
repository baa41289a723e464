import { systemClock, type Clock } from '../clock.ts'
import type {
  HeldEvent,
  HeldFilter,
  HeldPage,
  HoldLease,
  HoldLimits,
  HoldQuery,
  HoldScope,
  HoldStore,
  LeaseRequest,
  PartitionMark,
  SpillRequest,
  UnendedStart,
} from './hold-store.ts'
import { HeldLane, type HeldRecord } from './held-lane.ts'
import { MemoryPartitionMarks } from './memory-partition-marks.ts'

/** Keeps held events in this process, and loses them with the process. */
export function memoryHold({ clock = systemClock }: { readonly clock?: Clock | undefined } = {}): HoldStore {
  return new MemoryHold(clock)
}

interface ScopeLanes {
  readonly lanes: Map<string, HeldLane>
  readonly records: Map<string, HeldRecord>
}

class MemoryHold implements HoldStore {
  readonly durable = false
  readonly #clock: Clock
  readonly #scopes = new Map<string, ScopeLanes>()
  /** Every record, in the order in which they came. */
  readonly #records = new Map<number, HeldRecord>()
  readonly #marks = new MemoryPartitionMarks()
  #lastNumber = 0
  #lastFence = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async hold(event: HeldEvent, limits: HoldLimits): Promise<'held' | 'fenced' | 'full'> {
    const scope = this.#scope(event.scope)
    const record = scope.records.get(event.event)
    if (record !== undefined) {
      if (record.event.fence > event.fence) return 'fenced'
      record.rewrite(event)
      return 'held'
    }
    const lane = this.#laneWithin(limits, scope, event)
    if (lane === undefined || lane.length >= limits.maxParkedPerKey) return 'full'
    this.#insert(scope, lane, event, 'ahead')
    return 'held'
  }

  async appendIfParked(
    events: readonly HeldEvent[],
    limits: HoldLimits,
  ): Promise<readonly ('appended' | 'not-parked' | 'full')[]> {
    return events.map(event => {
      const scope = this.#scope(event.scope)
      if (scope.records.has(event.event)) return 'appended'
      const lane = event.key === undefined ? undefined : scope.lanes.get(laneName(event))
      if (lane === undefined) return 'not-parked'
      if (lane.length >= limits.maxParkedPerKey) return 'full'
      this.#insert(scope, lane, parked(event), 'behind')
      return 'appended'
    })
  }

  async spill(events: readonly HeldEvent[], request: SpillRequest): Promise<HoldLease | undefined> {
    const [first] = events
    const { owner, leaseMs, limits } = request
    if (first === undefined || events.length > limits.maxParkedPerKey) return undefined
    const scope = this.#scope(first.scope)
    const parkedLane = scope.lanes.get(laneName(first))
    if (parkedLane !== undefined) {
      // Asked again after an answer that was lost: then all of it is here, under the lease that was given.
      const isOurs = parkedLane.lease?.owner === owner && events.every(({ event }) => scope.records.has(event))
      return isOurs ? parkedLane.lease : undefined
    }
    const lane = this.#laneWithin(limits, scope, first)
    if (lane === undefined) return undefined
    // What was set aside of them stays where it is.
    for (const event of events) {
      if (!scope.records.has(event.event)) this.#insert(scope, lane, parked(event), 'behind')
    }
    return lane.leaseTo(owner, ++this.#lastFence, this.#clock.monotonic() + leaseMs)
  }

  async lookup(scope: HoldScope, queries: readonly HoldQuery[]): Promise<readonly ('held' | 'parked' | 'free')[]> {
    const { records, lanes } = this.#scope(scope)
    return queries.map(({ event, key }) => {
      if (records.has(event)) return 'held'
      return key !== undefined && lanes.has(laneName({ event, key })) ? 'parked' : 'free'
    })
  }

  async parkedKeys(scope: HoldScope): Promise<readonly string[]> {
    return [...this.#scope(scope).lanes.values()].filter(lane => lane.ordered).map(lane => lane.name)
  }

  async leaseDue(scope: HoldScope, { owner, leaseMs, limit }: LeaseRequest): Promise<readonly HoldLease[]> {
    const { lanes } = this.#scope(scope)
    const now = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    for (const lane of lanes.values()) if (!lane.isLeased(monotonic)) this.#removeIfEmpty(lane)
    return [...lanes.values()]
      .filter(lane => !lane.isLeased(monotonic) && lane.head?.isDue(now) === true)
      .toSorted((one, other) => one.head!.dueAt! - other.head!.dueAt!)
      .slice(0, limit)
      .map(lane => lane.leaseTo(owner, ++this.#lastFence, monotonic + leaseMs))
  }

  async extend(leases: readonly HoldLease[], leaseMs: number): Promise<readonly boolean[]> {
    const until = this.#clock.monotonic() + leaseMs
    return leases.map(lease => {
      const lane = this.#leased(lease)
      lane?.prolong(until)
      return lane !== undefined
    })
  }

  async head(lease: HoldLease): Promise<HeldEvent | undefined> {
    const head = this.#leased(lease)?.head
    return head?.isDue(this.#clock.now()) === true ? head.event : undefined
  }

  async finish(lease: HoldLease, event: string): Promise<'more' | 'unparked' | 'lost'> {
    // Finished before, and the answer was lost.
    if (this.#laneOf(lease) === undefined) return 'unparked'
    const lane = this.#leased(lease)
    if (lane === undefined) return 'lost'
    const record = this.#scope(lease.scope).records.get(event)
    if (record?.lane === lane) this.#remove(record)
    return this.#leave(lane)
  }

  async setAside(lease: HoldLease, event: HeldEvent): Promise<'more' | 'unparked' | 'lost'> {
    if (this.#laneOf(lease) === undefined) return 'unparked'
    const lane = this.#leased(lease)
    if (lane === undefined) return 'lost'
    const scope = this.#scope(lease.scope)
    const record = scope.records.get(event.event)
    // In no lane, or in its own already: discarded, or set aside before and the answer was lost.
    if (record?.lane === lane) {
      if (record.event.fence > event.fence) return 'lost'
      this.#move(scope, record, { ...event, key: undefined })
    }
    return this.#leave(lane)
  }

  async keep(lease: HoldLease, event: HeldEvent): Promise<boolean> {
    const lane = this.#laneOf(lease)
    // The last lease there was, though ended: kept before, and the answer was lost.
    if (lane === undefined || !lane.wasLastLeasedBy(lease)) return false
    const record = this.#scope(lease.scope).records.get(event.event)
    // Discarded while it ran: there is nothing to keep.
    if (record?.lane === lane && record.event.fence <= event.fence) record.rewrite(event)
    lane.endLease()
    this.#removeIfEmpty(lane)
    return true
  }

  async release(lease: HoldLease): Promise<void> {
    const lane = this.#leased(lease)
    if (lane === undefined) return
    lane.endLease()
    this.#removeIfEmpty(lane)
  }

  async nextDueAt(scope: HoldScope): Promise<number | undefined> {
    const now = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    let earliest: number | undefined
    for (const lane of this.#scope(scope).lanes.values()) {
      // An empty lane is somebody's who runs it: it is due when that lease ends, so that it is not left behind.
      const dueAt = lane.length === 0 ? now : lane.head?.dueAt
      if (dueAt === undefined) continue
      const leasedForMs = lane.leasedForMs(monotonic)
      const at = leasedForMs > 0 ? Math.max(dueAt, now + leasedForMs) : dueAt
      earliest = Math.min(earliest ?? at, at)
    }
    return earliest
  }

  async list(
    filter: HeldFilter,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<HeldPage> {
    const from = Number(after ?? 0)
    const page: HeldRecord[] = []
    for (const record of this.#records.values()) {
      if (record.number <= from || !matches(record, filter)) continue
      if (page.length === limit)
        return { events: page.map(({ event }) => event), next: String(page.at(-1)?.number ?? from) }
      page.push(record)
    }
    return { events: page.map(({ event }) => event), next: undefined }
  }

  async redrive(filter: HeldFilter): Promise<number> {
    const now = this.#clock.now()
    const heads = this.#matching(filter).filter(
      record => record.lane.head === record && record.event.state !== 'parked',
    )
    for (const head of heads) head.makeDue(now)
    return heads.length
  }

  async discard(filter: HeldFilter): Promise<number> {
    const matching = this.#matching(filter)
    for (const record of matching) {
      this.#remove(record)
      // A lane that somebody runs stays parked until he is done with it.
      if (!record.lane.isLeased(this.#clock.monotonic())) this.#removeIfEmpty(record.lane)
    }
    return matching.length
  }

  async openPartition(mark: PartitionMark): Promise<readonly UnendedStart[] | undefined> {
    return this.#marks.open(mark)
  }

  async recordStarts(mark: PartitionMark, starts: readonly UnendedStart[] | undefined): Promise<boolean> {
    return this.#marks.record(mark, starts)
  }

  async closePartition(mark: PartitionMark): Promise<void> {
    this.#marks.close(mark)
  }

  #matching(filter: HeldFilter): readonly HeldRecord[] {
    return [...this.#records.values()].filter(record => matches(record, filter))
  }

  #scope({ group, subscription }: HoldScope): ScopeLanes {
    const name = JSON.stringify([group, subscription])
    let scope = this.#scopes.get(name)
    if (scope === undefined) this.#scopes.set(name, (scope = { lanes: new Map(), records: new Map() }))
    return scope
  }

  #laneOf({ scope, lane, ordered }: HoldLease): HeldLane | undefined {
    return this.#scope(scope).lanes.get(laneName({ event: lane, key: ordered ? lane : undefined }))
  }

  /** The lane, unless the lease is over: a lease counts until it ends or somebody takes it over, expired or not. */
  #leased(lease: HoldLease): HeldLane | undefined {
    const lane = this.#laneOf(lease)
    return lane?.lease !== undefined && lane.wasLastLeasedBy(lease) ? lane : undefined
  }

  /** What is left of a lane after its head. */
  #leave(lane: HeldLane): 'more' | 'unparked' {
    if (lane.length > 0) return 'more'
    lane.endLease()
    this.#removeIfEmpty(lane)
    return 'unparked'
  }

  /** The lane of an event, a new one if it has none. Undefined: a limit is reached. */
  #laneWithin(limits: HoldLimits, scope: ScopeLanes, event: HeldEvent): HeldLane | undefined {
    const isFull = scope.lanes.size >= limits.maxParkedKeys || limits.maxParkedPerKey < 1
    return scope.lanes.get(laneName(event)) ?? (isFull ? undefined : this.#newLane(scope, event))
  }

  #newLane(scope: ScopeLanes, event: HeldEvent): HeldLane {
    const lane = new HeldLane(event.scope, event.key ?? event.event, event.key !== undefined)
    scope.lanes.set(laneName(event), lane)
    return lane
  }

  #insert(scope: ScopeLanes, lane: HeldLane, event: HeldEvent, place: 'ahead' | 'behind'): void {
    const record = lane.insert({ number: ++this.#lastNumber, event, storedAt: this.#clock.now() }, place)
    scope.records.set(event.event, record)
    this.#records.set(record.number, record)
  }

  /** To the lane that the event names now. It keeps its number, and so its place among all. */
  #move(scope: ScopeLanes, record: HeldRecord, event: HeldEvent): void {
    record.lane.remove(record)
    const lane = scope.lanes.get(laneName(event)) ?? this.#newLane(scope, event)
    const moved = lane.insert({ number: record.number, event, storedAt: this.#clock.now() }, 'ahead')
    scope.records.set(event.event, moved)
    this.#records.set(moved.number, moved)
  }

  #remove(record: HeldRecord): void {
    record.lane.remove(record)
    this.#scope(record.event.scope).records.delete(record.event.event)
    this.#records.delete(record.number)
  }

  #removeIfEmpty(lane: HeldLane): void {
    if (lane.length > 0) return
    const name = laneName({ event: lane.name, key: lane.ordered ? lane.name : undefined })
    this.#scope(lane.scope).lanes.delete(name)
  }
}

/** No key can look like the name of an event without order. */
function laneName({ event, key }: HoldQuery): string {
  return key === undefined ? `event ${event}` : `key ${key}`
}

function parked(event: HeldEvent): HeldEvent {
  return { ...event, state: 'parked', dueAt: undefined }
}

function matches({ event }: HeldRecord, filter: HeldFilter): boolean {
  return (
    event.scope.group === filter.group &&
    (filter.subscription === undefined || event.scope.subscription === filter.subscription) &&
    (filter.key === undefined || event.key === filter.key) &&
    (filter.event === undefined || event.event === filter.event) &&
    (filter.state === undefined || event.state === filter.state)
  )
}
