import type { BrokerUrl } from './broker-url.ts'

/**
 * The contract between the bus and a broker. The bus decides, the driver moves bytes: a driver never retries a publish
 * or a handler, never serialises, deduplicates, logs or wraps an error.
 */
export interface Driver {
  /** The scheme of its URL: `memory`, `kafka`, … Used in messages. */
  readonly name: string
  readonly capabilities: Capabilities
  /** The raw client, for what Mekong does not cover. */
  readonly native: unknown
  /** Compares the wish with the broker. Only `create` writes. Resolves with what differs afterwards. */
  topology(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference>
  /** Where the broker keeps this message's order: batches that fail are sent again by this. Pure. */
  partitionOf(message: Outgoing): string
  /** Sends a batch and answers by index. Never rejects; resolves within about `timeoutMs`. */
  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]>
  /** Joins a group. The consumer reconnects by itself and reports through `sink.status`. */
  subscribe(options: SubscribeOptions, sink: Sink): Promise<Consumer>
  /** What an error of this client means. Pure. */
  classify(error: unknown): FailureClass
  /** Ends every connection. Consumers are closed before. */
  close(): Promise<void>
}

/** What became of a publish at the broker. `unknown`: it may be stored, now or later. */
export type Fate = { readonly is: 'stored' } | { readonly is: 'not-stored' | 'unknown'; readonly error: unknown }

/**
 * `transient` and `throttled` pass by themselves; `too-large`, `illegal` (the broker can never take it) and `refused`
 * (not permitted, or no such topic) do not; `closed`: this driver was closed.
 */
export type FailureClass = 'transient' | 'throttled' | 'too-large' | 'illegal' | 'refused' | 'closed'

/** A message on its way to the broker, already encoded. */
export interface Outgoing {
  readonly topic: string
  readonly key: string | undefined
  /** CloudEvents attributes as `ce-…` (HTTP binding names), `content-type`, and the application's headers. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Zero, or at most `capabilities.publishDelayMs`. */
  readonly delayMs: number
  /**
   * `settled`, asked for by a relay where the broker is not durable: `stored` is answered only when every group declared
   * in the topology, subscribed now or not, has completed the message or held it in a durable store.
   */
  readonly until: 'stored' | 'settled'
}

export interface SubscribeOptions {
  readonly group: string
  /** Names this member within its group; unique. */
  readonly member: string
  readonly topics: readonly TopicSubscription[]
  /** How many unsettled messages of one partition the bus takes before it pauses it. A hint for prefetch. */
  readonly window: number
  /** Where a group that the broker does not know yet begins. */
  readonly from: StartPosition
  /** A run of its own over what is retained: some brokers keep that beside their queues. */
  readonly isReplay?: boolean
}

export interface TopicSubscription {
  readonly topic: string
  /** Whether order by key is relied upon: decides on queues with one active consumer, FIFO and the like. */
  readonly ordered: boolean
}

export type StartPosition = 'latest' | 'earliest' | { readonly time: number }

/** Where a broker keeps order and hands out ownership. One object for each epoch: compared by reference. */
export interface Partition {
  readonly topic: string
  readonly id: string
  readonly epoch: number
}

/** What the bus hears of a consumer. Implemented by core; calls come from the driver, one partition at a time in order. */
export interface Sink {
  /** Ours now. No message of it may come before this resolves. */
  assigned(partition: Partition): Promise<void>
  /** `drain`: settling works until this resolves. `lost`: somebody else may have it already; settlements are void. */
  revoked(partition: Partition, how: 'drain' | 'lost'): Promise<void>
  /** All that arrived together, in partition order. Never throws. */
  messages(batch: readonly Incoming[]): void
  /**
   * These handles died (visibility ran out, channel closed); the broker will deliver the messages again. Where order is
   * kept, the handles of later messages of the same key are of no use either: all of them in one call.
   */
  lost(batch: readonly Incoming[]): void
  status(status: ConsumerStatus): void
}

/** A message as it arrived. One stable shape; nothing is decoded before it is asked for. */
export interface Incoming {
  readonly partition: Partition
  /** Its place in the partition, for people and for `seek`. */
  readonly position: string
  readonly key: string | undefined
  readonly body: Uint8Array
  readonly headers: HeaderView
  /** How often the broker handed it over, this time included. A hint; undefined where the broker does not count. */
  readonly deliveries: number | undefined
  /** Names the message across deliveries where an event has no id: position on logs, message id on queues. */
  readonly messageId: string | undefined
}

export interface HeaderView {
  /** Names are lower case. */
  get(name: string): string | undefined
  entries(): Iterable<readonly [name: string, value: string]>
}

export interface Consumer {
  /** The first settlement of a message wins; those of dead epochs are ignored. Acknowledgements are grouped by the driver. */
  settle(batch: readonly Incoming[], settlement: Settlement): void
  /** Hands over no more of this partition. Membership, visibility and what is held are kept. */
  pause(partition: Partition): void
  resume(partition: Partition): void
  /** Takes part in these topics too, or takes a known one in order, from now on. */
  extend(topics: readonly TopicSubscription[]): Promise<void>
  /** Where `replay` is declared; otherwise rejects. */
  seek(partition: Partition, to: { readonly position: string } | { readonly time: number }): Promise<void>
  lag(): Promise<ReadonlyMap<Partition, Lag>>
  /** Takes no more. Settling goes on. */
  stop(): Promise<void>
  /** Sends what is settled, hands back the rest, leaves the group. */
  close(): Promise<void>
}

export interface Lag {
  /** Messages stored and not settled by this group. */
  readonly messages: number
}

export type Settlement =
  /** `durable`: nothing is lost with this process: completed, or held in a durable store. Counts for `until: 'settled'`. */
  | { readonly is: 'acknowledge'; readonly durable: boolean }
  /** `tried`: an attempt was made, so it may count against the broker's own delivery limit. */
  | { readonly is: 'redeliver'; readonly afterMs: number; readonly tried: boolean }

export type ConsumerStatus =
  | { readonly is: 'running' }
  | { readonly is: 'reconnecting' | 'degraded' | 'fatal'; readonly error: unknown }

/** What a broker can do, as data. What it cannot is emulated by core in the open, or refused at start. */
export interface Capabilities {
  /** How long a key stays with one consumer: while it owns the partition, while one of it is unsettled, not at all. */
  readonly affinity: 'partition' | 'in-flight' | 'none'
  /** Whether entries of one key in one batch share their fate, so that a batch may carry several of a key. */
  readonly sameKeyBatch: 'together' | 'apart'
  readonly redeliver: {
    /** Zero: it cannot redeliver a message later. */
    readonly maxDelayMs: number
    /** What waits meanwhile. */
    readonly blocks: 'nothing' | 'key' | 'partition'
    /** Whether the message keeps its place before later ones of its key. */
    readonly keepsPlace: boolean
  }
  /** How long a message may stay unsettled before the broker takes it back. */
  readonly maxUnsettledMs: number
  /** The longest delay of a publish that the broker keeps itself; zero: none. */
  readonly publishDelayMs: number
  /** Whether stored messages survive the broker process. */
  readonly durable: boolean
  /** Whether a partition that keeps order has one consumer at a time, though it may change unheard. */
  readonly soleConsumer?: boolean
  /** Whether the broker sets aside a message that keeps killing its consumers. */
  readonly backstop: boolean
  readonly replay: 'time' | 'none'
  readonly headers: { readonly max: number; readonly binary: boolean }
  /** Of one message, headers included. */
  readonly maxBytes: number
  readonly batch: { readonly entries: number; readonly bytes: number }
  /** The names it takes for a topic; others are refused at start. */
  readonly topicName: RegExp
}

export interface TopologyWish {
  readonly topics: readonly TopicWish[]
  /** Each group with the topics it takes part in. */
  readonly groups: readonly GroupWish[]
}

export interface GroupWish {
  readonly name: string
  readonly topics: readonly string[]
  /** As in SubscribeOptions. */
  readonly isReplay?: boolean
}

export interface TopicWish {
  readonly name: string
  readonly ordered: boolean
  readonly partitions: number | undefined
  readonly retentionMs: number | undefined
}

/** Empty when the broker is as wished. */
export type TopologyDifference = readonly {
  readonly what: string
  readonly wished: string
  readonly found: string
}[]

/** What `broker: 'scheme://…'` resolves to: the export that an adapter package names `adapter`. */
export interface Adapter {
  /** URL schemes without the colon, all of them opened by this adapter. */
  readonly schemes: readonly string[]
  /** Reads the URL, throws INVALID_CONFIGURATION for what is wrong in it, connects lazily or at once. */
  open(url: BrokerUrl): Promise<Driver>
}
