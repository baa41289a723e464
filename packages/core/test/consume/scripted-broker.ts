import type {
  Capabilities,
  Consumer,
  Driver,
  FailureClass,
  Fate,
  Incoming,
  Lag,
  Outgoing,
  Partition,
  Settlement,
  Sink,
  SubscribeOptions,
} from '../../src/driver/driver-contract.ts'
import { headerView } from '../../src/event/headers.ts'
import { capabilities } from '../publish/scripted-driver.ts'

/** One call of `subscribe`, and what the bus did with the consumer it got. */
export interface Joined {
  readonly options: SubscribeOptions
  readonly sink: Sink
  /** Topics of `subscribe` and of `extend`. */
  readonly topics: string[]
  readonly paused: Set<Partition>
  isStopped: boolean
  isClosed: boolean
}

export interface ScriptedBroker {
  readonly driver: Driver
  readonly joined: Joined[]
  /** Everything that was settled, as `id acknowledge` or `id redeliver`, in order. */
  readonly settled: string[]
  readonly settlements: Map<Incoming, Settlement>
  readonly published: Outgoing[]
  /** By partition; asked for by the watchdog. */
  readonly lags: Map<Partition, Lag>
  /** May be replaced: what happens first in each call. */
  on: {
    subscribe: () => Promise<void> | void
    topology: () => Promise<void> | void
    extend: () => Promise<void> | void
    stop: () => Promise<void> | void
    closeConsumer: () => Promise<void> | void
    close: () => Promise<void> | void
    lag: () => Promise<void> | void
    classify: (error: unknown) => FailureClass
    publish: (batch: readonly Outgoing[]) => Promise<readonly Fate[]> | readonly Fate[]
  }
  isClosed: boolean
  /** A partition of the next epoch, given to the last consumer. Resolves when the bus is ready for it. */
  assign(topic?: string, id?: string): Promise<Partition>
  /** Hands over events together: `a1` is event `a1` of key `a`; one without a digit has no key. */
  deliver(partition: Partition, ...ids: string[]): Incoming[]
}

export function scriptedBroker(changed: Partial<Capabilities> = {}): ScriptedBroker {
  let epoch = 0
  let position = 0
  const broker: ScriptedBroker = {
    driver: undefined as never,
    joined: [],
    settled: [],
    settlements: new Map(),
    published: [],
    lags: new Map(),
    isClosed: false,
    on: {
      subscribe: () => undefined,
      topology: () => undefined,
      extend: () => undefined,
      stop: () => undefined,
      closeConsumer: () => undefined,
      close: () => undefined,
      lag: () => undefined,
      classify: () => 'transient',
      publish: batch => batch.map(() => ({ is: 'stored' })),
    },
    async assign(topic = 'order', id = '0') {
      const partition = { topic, id, epoch: ++epoch }
      await broker.joined.at(-1)!.sink.assigned(partition)
      return partition
    },
    deliver(partition, ...ids) {
      const batch = ids.map(id => incoming(partition, id, String(++position)))
      broker.joined.at(-1)!.sink.messages(batch)
      return batch
    },
  }
  const driver: Driver = {
    name: 'scripted',
    capabilities: { ...capabilities, durable: false, ...changed },
    native: undefined,
    partitionOf: ({ topic }) => topic,
    classify: error => broker.on.classify(error),
    async topology() {
      await broker.on.topology()
      return []
    },
    async publish(batch) {
      broker.published.push(...batch)
      return broker.on.publish(batch)
    },
    async subscribe(options, sink) {
      const topics = options.topics.map(({ topic }) => topic)
      const joined: Joined = { options, sink, topics, paused: new Set(), isStopped: false, isClosed: false }
      broker.joined.push(joined)
      await broker.on.subscribe()
      return consumerOf(broker, joined)
    },
    async close() {
      await broker.on.close()
      broker.isClosed = true
    },
  }
  return Object.assign(broker, { driver })
}

function consumerOf(broker: ScriptedBroker, joined: Joined): Consumer {
  return {
    settle(batch, settlement) {
      for (const message of batch) {
        if (broker.settlements.has(message)) continue
        broker.settlements.set(message, settlement)
        broker.settled.push(`${message.headers.get('ce-id')} ${settlement.is}`)
      }
    },
    pause: partition => void joined.paused.add(partition),
    resume: partition => void joined.paused.delete(partition),
    async extend(topics) {
      await broker.on.extend()
      joined.topics.push(...topics.map(({ topic }) => topic))
    },
    seek: () => Promise.reject(new Error('no replay')),
    async lag() {
      await broker.on.lag()
      return broker.lags
    },
    async stop() {
      await broker.on.stop()
      joined.isStopped = true
    },
    async close() {
      await broker.on.closeConsumer()
      joined.isClosed = true
    },
  }
}

export function incoming(partition: Partition, id: string, position: string): Incoming {
  const key = /^([a-z]+)\d/.exec(id)?.[1]
  return {
    partition,
    position,
    key,
    body: Buffer.from(JSON.stringify(id)),
    headers: headerView({
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': 'shop',
      'ce-type': partition.topic,
      'content-type': 'application/json',
    }),
    deliveries: undefined,
    messageId: position,
  }
}
