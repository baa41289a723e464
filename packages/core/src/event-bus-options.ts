import type { Clock } from './clock.ts'
import type { Contract, UntypedContract } from './contract.ts'
import type { Adapter, Driver, StartPosition } from './driver/driver-contract.ts'
import type { HoldStore } from './hold/hold-store.ts'
import type { IdempotencyStore } from './idempotency/idempotency-store.ts'
import type { Middleware } from './middleware.ts'
import type { PublishTuning } from './publish/publish-tuning.ts'
import type { ScheduleStore } from './schedule/schedule-store.ts'
import type { Observer } from './signal.ts'

export interface EventBusOptions<C extends Contract = UntypedContract> {
  /** The group and the CloudEvents source: the name of the service. Letters, digits, `-`, `_` and `.`. */
  readonly service: string
  /** The declared event types. Without one, any type and any data goes. */
  readonly contract?: C | undefined
  /** A URL whose scheme names the adapter (`memory:`, `kafka://…`, `amqp://…`), or a driver. The bus closes it. */
  readonly broker: string | URL | Driver
  /** Adapters given explicitly, for bundlers; otherwise the package is imported by the URL's scheme. */
  readonly drivers?: readonly Adapter[] | undefined
  /** Other brokers for some topics, by a name of your choice. */
  readonly routes?: Readonly<Record<string, Route>> | undefined
  /** Remembers what was handled. @default in memory, said at start */
  readonly idempotency?: IdempotencyStore | undefined
  /** Keeps dead, delayed and parked events. @default in memory on a broker that is not durable, else none */
  readonly hold?: HoldStore | undefined
  /** Keeps publishes that are delayed for longer than the broker can. @default none */
  readonly schedule?: ScheduleStore | undefined
  /**
   * Several subscriptions on one topic of a durable broker need a durable idempotency store, because a crash runs those
   * again that were done; `best-effort` accepts that. @default 'store'
   */
  readonly isolation?: 'store' | 'best-effort' | undefined
  readonly middleware?: readonly Middleware[] | undefined
  /** What start does about topics and groups. @default 'create' on a broker that is not durable, else 'verify' */
  readonly topology?: 'create' | 'verify' | 'skip' | undefined
  /** Wishes for topics that are created; those of the contract and the subscriptions are there without it. */
  readonly topics?: Readonly<Record<string, TopicOptions>> | undefined
  /** Where this group begins when the broker does not know it. @default 'latest' */
  readonly from?: StartPosition | undefined
  /** Consumes again from a time, as a group of its own: a live group is never rewound. */
  readonly replay?: ReplayOptions | undefined
  readonly publish?: Partial<PublishTuning> | undefined
  readonly consume?: Partial<ConsumeTuning> | undefined
  /** Hears what happens inside; see Signal. */
  readonly observe?: Observer | undefined
  readonly clock?: Clock | undefined
  /** Uniform in [0, 1): jitter only, never ids. */
  readonly random?: (() => number) | undefined
}

export interface Route {
  readonly broker: string | URL | Driver
  readonly topics: readonly string[]
}

export interface TopicOptions {
  readonly partitions?: number | undefined
  readonly retentionMs?: number | undefined
}

export interface ReplayOptions {
  /** Names the run; part of what is remembered, so that another run handles everything again. */
  readonly run: string
  readonly from: StartPosition
}

/** Bounds and periods of consuming. */
export interface ConsumeTuning {
  /** Unsettled messages of one partition; beyond it the partition pauses. @default 1,000 */
  readonly window: number
  /** Lease of a claim, prolonged while its event waits or runs. @default 30,000 */
  readonly leaseMs: number
  /** How long after its deadline a handler that ignores its signal is still waited for. @default 2,000 */
  readonly abortGraceMs: number
  /** A key that fills half of the window for longer has its events parked in the hold store. @default 5,000 */
  readonly spillAfterMs: number
  /** Longest pause between two looks into the hold store for events that other processes made due. @default 1,000 */
  readonly holdPollMs: number
  /** Of one subscription. Beyond it partitions pause. @default 10,000 */
  readonly maxParkedKeys: number
  /** @default 10,000 */
  readonly maxParkedPerKey: number
  /** A partition with lag and without progress for so long has its consumer rebuilt. @default 60,000 */
  readonly stalledAfterMs: number
}
