/** What happens inside a relay, as it happens: for metrics, logs and tests. Observers must be fast; their errors are swallowed. */
export type RelaySignal =
  | { readonly is: 'bucket-taken'; readonly bucket: number; readonly fence: number }
  /** `lost`: another relay has it. `released`: handed on, with nothing in flight. */
  | { readonly is: 'bucket-left'; readonly bucket: number; readonly fence: number; readonly how: 'lost' | 'released' }
  | { readonly is: 'read'; readonly rows: number; readonly tookMs: number }
  | { readonly is: 'forwarded'; readonly rows: number; readonly published: number; readonly tookMs: number }
  /** The events stay and are tried again. */
  | { readonly is: 'forward-failed'; readonly topic: string; readonly rows: number; readonly error: unknown }
  | { readonly is: 'marked'; readonly rows: number; readonly tookMs: number }
  | {
      readonly is: 'event-dead'
      readonly id: string
      readonly type: string
      readonly topic: string
      readonly reason: string
    }
  | { readonly is: 'key-unblocked'; readonly topic: string; readonly bucket: number }
  /** Rows were written into `to` from now on. */
  | { readonly is: 'leaf-rotated'; readonly from: number; readonly to: number }
  | { readonly is: 'leaf-truncated'; readonly leaf: number }
  /** Somebody holds a lock on a leaf that could be emptied: storage waits, delivery does not. */
  | { readonly is: 'leaf-locked'; readonly leaf: number }
  /** Everything undelivered is read anew. */
  | { readonly is: 'read-anew'; readonly why: 'database-failed' | 'server-changed' }
  | { readonly is: 'transactions-renumbered'; readonly rows: number }
  | {
      readonly is: 'database-failed'
      readonly during: 'lease' | 'read' | 'mark' | 'blocked' | 'ring'
      readonly error: unknown
    }

export type RelayObserver = (signal: RelaySignal) => void
