import type { Driver } from '@mekong/core/driver'

/** What the author of an adapter gives, so that the kit can prove it. */
export interface DriverHarness {
  /** A new connection to the same broker, as another process would open it. The kit closes it. */
  createDriver(): Driver | Promise<Driver>
  /** A legal topic name that no other case, run or group has used. */
  uniqueTopic(prefix: string): string
  readonly faults: Faults
  /** The bodies that the broker stores of a topic, learnt without the driver under test. */
  peek?(topic: string): Promise<readonly Uint8Array[]>
  /** The broker under test disturbs by itself, with duplicates and the like: only what at least once promises is asserted. */
  readonly isHostile?: boolean
  /** Multiplies every duration and patience of the kit, for brokers that are slow to answer. @default 1 */
  readonly timeFactor?: number
  /** How long the kit waits for what must happen, in milliseconds. @default 5,000, times `timeFactor` */
  readonly patienceMs?: number
  /** How much the stress case does. @default 300 events over 20 keys */
  readonly stress?: { readonly events: number; readonly keys: number }
  /** After the last case. */
  close?(): Promise<void>
}

/** What only the harness can do to a broker. One that it cannot do is declared with the reason; its cases say so. */
export interface Faults {
  readonly connections: ConnectionFault | Cannot
  /** Ends the broker process and starts it again on what it stored. */
  readonly restartBroker: (() => Promise<void>) | Cannot
  /**
   * Takes every partition of the topic from its owner and assigns it anew, to anyone. `lost`: without asking, as after a
   * pause that was too long. Resolves when it is taken: with `drain`, after what runs there has ended.
   */
  readonly revoke: ((topic: string, how: 'drain' | 'lost') => Promise<void>) | Cannot
  /** Every unsettled handle of the topic dies, as when visibility runs out or a channel closes. */
  readonly loseHandles: ((topic: string) => Promise<void>) | Cannot
}

export interface ConnectionFault {
  /** Cuts the connections of every driver of this harness and refuses new ones. */
  cut(): Promise<void>
  restore(): Promise<void>
}

export interface Cannot {
  readonly cannot: string
}

export type FaultName = keyof Faults

export function isInjectable<F>(fault: F | Cannot): fault is F {
  return typeof fault !== 'object' || fault === null || !('cannot' in fault)
}
