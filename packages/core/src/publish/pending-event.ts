import type { Outgoing } from '../driver/driver-contract.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Receipt } from '../publish-options.ts'
import type { KeyLane } from './key-lane.ts'
import type { Failure } from './publish-failure.ts'

/** In whose company an event is sent, after batches with it failed: anybody's, its partition's, none. */
export type Company = 'any' | 'partition' | 'none'

/** One event between the call that publishes it and the answer to that call. */
export interface PendingEvent {
  readonly event: PreparedEvent
  readonly outgoing: Outgoing
  readonly bytes: number
  /** By the monotonic clock, as is `deadline`. */
  readonly startedAt: number
  readonly deadline: number
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
  readonly lane: KeyLane
  /** Its neighbours in the lane while it waits there. */
  previous: PendingEvent | undefined
  next: PendingEvent | undefined
  sends: number
  /** Failed sends that may be the fault of one event among several. */
  faults: number
  /** A send of it had no certain answer: it may be stored, now or later. */
  isDoubtful: boolean
  isInFlight: boolean
  /** The caller has an answer. */
  isSettled: boolean
  lastFailure: Failure | undefined
}

/** A batch that fails twice is sent again by partition, then event by event. */
export function companyOf(pending: PendingEvent): Company {
  if (pending.faults < 2) return 'any'
  return pending.faults === 2 ? 'partition' : 'none'
}
