import type { Incoming } from '../driver/driver-contract.ts'
import type { MekongError } from '../error.ts'
import type { EventAttributes } from '../event/event.ts'
import type { Claim, Identity } from '../idempotency/idempotency-store.ts'
import { AbortSource } from './abort-source.ts'

/** What decoding the envelope gave: what is known of the event, and what is wrong with it. */
export interface Envelope {
  readonly attributes: EventAttributes
  /** The event part of its identity. */
  readonly event: string
  /** Dead at once: undecodable. */
  readonly problem: MekongError | undefined
}

/** One event for one subscription, with the claim under which it is handled: new from the broker, or held and due again. */
export class Work {
  readonly envelope: Envelope
  readonly message: Incoming
  readonly identity: Identity
  /** Names this owner to the idempotency store; renewed when the claim was lost. */
  token: string
  fence = 0
  /** Runs of the handler so far. */
  attempts: number
  /** Its last run ignored its deadline and may go on: another one at once would run beside it. */
  isOverrun = false
  /** Of the attempt at hand; an attempt that has ended keeps the one it was given. */
  abortion: AbortSource = new AbortSource()
  /** Why no further attempt may begin: its partition, its claim or the time of closing is gone. */
  gone: MekongError | undefined

  constructor(parts: { envelope: Envelope; message: Incoming; identity: Identity; token: string; attempts: number }) {
    this.envelope = parts.envelope
    this.message = parts.message
    this.identity = parts.identity
    this.token = parts.token
    this.attempts = parts.attempts
  }

  /** As the store knows it; meaningful while it is ours. */
  get claim(): Claim {
    return { identity: this.identity, token: this.token, fence: this.fence }
  }

  /** Ends the attempt at hand, whatever ended it already, and all that would follow it. */
  abort(reason: MekongError): void {
    this.gone ??= reason
    this.abortion.abort(reason)
  }

  /** A new attempt begins with a signal of its own. */
  rearm(): void {
    this.isOverrun = false
    this.abortion = new AbortSource()
  }

  /** It is asked for anew: what ended it before is over. */
  renew(): void {
    this.gone = undefined
    this.rearm()
  }
}
