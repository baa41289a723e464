import type { ConsumerStatus } from './driver/driver-contract.ts'

/**
 * What happens inside a bus, as it happens: for metrics, logs and tests. Observers are called synchronously, must be fast,
 * and their errors are swallowed. Durations are milliseconds.
 */
export type Signal =
  | {
      readonly is: 'published'
      readonly type: string
      readonly topic: string
      readonly id: string
      readonly tookMs: number
    }
  | {
      readonly is: 'publish-retried'
      readonly topic: string
      readonly events: number
      readonly fate: 'not-stored' | 'unknown'
      readonly error: unknown
    }
  | {
      readonly is: 'publish-failed'
      readonly type: string
      readonly topic: string
      readonly id: string
      readonly error: unknown
    }
  | ({ readonly is: 'received'; readonly deliveries: number | undefined } & Handled)
  | ({ readonly is: 'completed'; readonly attempt: number; readonly tookMs: number } & Handled)
  | ({
      readonly is: 'attempt-failed'
      readonly attempt: number
      readonly error: unknown
      readonly next: 'retry' | 'delay' | 'dead'
    } & Handled)
  /** `by` says who knew: the idempotency store before the handler, or the inbox inside it. */
  | ({ readonly is: 'duplicate'; readonly by: 'store' | 'inbox' } & Handled)
  | ({ readonly is: 'busy'; readonly forMs: number } & Handled)
  | ({
      readonly is: 'held'
      readonly state: 'dead' | 'delayed' | 'parked'
      readonly key: string | undefined
      readonly reason: string
    } & Handled)
  | ({ readonly is: 'dead-lettered'; readonly topic: string; readonly reason: string } & Handled)
  | ({ readonly is: 'redriven'; readonly attempt: number } & Handled)
  | { readonly is: 'unparked'; readonly subscription: string; readonly key: string }
  | ({ readonly is: 'fenced' } & Handled)
  | {
      readonly is: 'settled'
      readonly topic: string
      readonly messages: number
      readonly as: 'acknowledge' | 'redeliver'
    }
  | {
      readonly is: 'assigned' | 'revoked' | 'paused' | 'resumed'
      readonly topic: string
      readonly partition: string
      readonly why?: string
    }
  /** The partition's last owner ended without a word; `unended` events were running then, as far as is known. */
  | { readonly is: 'unclean-end'; readonly topic: string; readonly partition: string; readonly unended: number }
  | { readonly is: 'caution-ended'; readonly topic: string; readonly partition: string }
  | { readonly is: 'spilled'; readonly subscription: string; readonly key: string; readonly events: number }
  | { readonly is: 'store-unavailable'; readonly store: 'idempotency' | 'hold' | 'schedule'; readonly error: unknown }
  | { readonly is: 'consumer'; readonly driver: string; readonly status: ConsumerStatus }
  | {
      readonly is: 'stalled'
      readonly driver: string
      readonly topic: string
      readonly partition: string
      readonly lag: number
    }
  | { readonly is: 'notice'; readonly message: string }

interface Handled {
  readonly subscription: string
  readonly type: string
  readonly id: string
}

export type Observer = (signal: Signal) => void
