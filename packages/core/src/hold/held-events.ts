import type { HeldEvent, HeldFilter, HeldState } from './hold-store.ts'

/** What a person may ask and do about the held events of a group. */
export interface HeldEvents {
  list(query?: HeldQuery): Promise<{ readonly events: readonly HeldEvent[]; readonly next: string | undefined }>
  /** @throws MekongError HELD_NOT_FOUND */
  show(subscription: string, event: string): Promise<HeldEvent>
  /** Hands matching events to the handler again, in order; resolves with how many will run. */
  redrive(selection?: HeldSelection): Promise<number>
  /** Gives matching events up for good; what waits behind them goes on. Resolves with how many. */
  discard(selection: HeldSelection): Promise<number>
}

export type HeldSelection = Omit<HeldFilter, 'group'>

export interface HeldQuery extends HeldSelection {
  readonly state?: HeldState | undefined
  readonly after?: string | undefined
  /** @default 100 */
  readonly limit?: number
}
