import type { Clock, EventBus } from '@mekong/core'
import { wait } from '@mekong/core/driver'
import { fencedLeases, type Sql, type TableName } from '@mekong/postgres'
import { createBlockedKeys } from './blocked-keys.ts'
import type { Bucket } from './bucket.ts'
import { createBucketOwnership } from './bucket-ownership.ts'
import type { DatabaseIdentity } from './database-identity.ts'
import { createDeliveryMarks } from './delivery-marks.ts'
import { leaseSet } from './fence.ts'
import { createForwarder, type Forwarder } from './forwarder.ts'
import { createIntake, type Intake } from './intake.ts'
import type { RelayTuning } from './relay-options.ts'
import type { RelayObserver } from './relay-signal.ts'
import { createRing } from './ring.ts'

export interface RelayRunOptions {
  readonly sql: Sql
  readonly schema: string
  readonly table: TableName
  readonly eventBus: Pick<EventBus, 'forward' | 'isDurable'>
  readonly owner: string
  readonly tuning: RelayTuning
  readonly clock: Clock
  readonly observe: RelayObserver
  readonly identity: DatabaseIdentity
  readonly identify: () => Promise<DatabaseIdentity>
  /** Where something goes wrong, and undefined when it goes well again. */
  readonly trouble: (where: 'lease' | 'read' | 'ring', error: unknown) => void
}

/** A relay at work, from its start to its close. */
export interface RelayRun {
  readonly buckets: ReadonlyMap<number, Bucket>
  /** How many keys of these buckets are blocked. */
  readonly blockedKeys: number
  wake(): void
  /** Somebody decided about a dead event. */
  wakeBlocked(): void
  stop(timeoutMs: number): Promise<void>
}

/** Whoever owns this one turns the ring as well. */
const RING_BUCKET = 0

/** Puts the parts together: buckets are owned, rows come in, go out, are marked; keys are blocked; the ring turns. */
export function runRelay(options: RelayRunOptions): RelayRun {
  const { sql, schema, table, owner, tuning, clock, observe, identity, trouble } = options
  const stopping = new AbortController()
  const surroundings = { database: { query: sql.query, table }, owner, tuning, clock, observe }
  const buckets = (): Iterable<Bucket> => ownership.buckets.values()

  const ownership = createBucketOwnership({
    ...surroundings,
    leases: fencedLeases({ sql, schema, set: leaseSet }),
    buckets: identity.buckets,
    load: taken => blockedKeys.load(taken),
    taken: bucket => intake.follow(bucket),
    left: bucket => intake.forget(bucket),
    prolonged: () => forwarder.pump(),
    health: error => trouble('lease', error),
  })
  const marks = createDeliveryMarks({
    ...surroundings,
    marked: (bucket, row) => {
      bucket.settle(row)
      intake.madeRoom()
    },
    refused: lost => ownership.lose(lost),
  })
  const forwarder: Forwarder = createForwarder({
    ...options,
    buckets,
    published: (bucket, rows) => marks.add(bucket, rows),
    died: () => blockedKeys.wake(),
    canBlock: () => blockedKeys.hasRoom,
  })
  const blockedKeys = createBlockedKeys({
    ...surroundings,
    buckets,
    forward: (rows, timeoutMs) => forwarder.forward(rows, timeoutMs),
    refused: lost => ownership.lose(lost),
    changed: () => {
      intake.madeRoom()
      forwarder.pump()
    },
  })
  const intake: Intake = createIntake({
    ...surroundings,
    buckets: () => ownership.buckets,
    identify: options.identify,
    came: isBlocked => {
      forwarder.pump()
      if (isBlocked) blockedKeys.wake()
    },
    health: error => trouble('read', error),
  })
  const ring = createRing({ sql, table, leaves: identity.leaves, clock, observe, tuning })

  const turnRing = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await wait(clock, tuning.ringPollMs, signal)
      if (signal.aborted || !ownership.buckets.has(RING_BUCKET)) continue
      try {
        await ring.turn()
        trouble('ring', undefined)
      } catch (error) {
        observe({ is: 'database-failed', during: 'ring', error })
        trouble('ring', error)
      }
    }
  }

  const { signal } = stopping
  const loops = [ownership.run(signal), intake.run(signal), blockedKeys.run(signal), turnRing(signal)]
  return {
    buckets: ownership.buckets,
    get blockedKeys() {
      return blockedKeys.size
    },
    wake: () => intake.wake(),
    wakeBlocked: () => blockedKeys.wake(),
    async stop(timeoutMs) {
      stopping.abort()
      await Promise.all(loops)
      await ownership.leave(timeoutMs)
    },
  }
}
