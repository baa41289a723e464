import type {
  Capabilities,
  Consumer,
  Driver,
  FailureClass,
  Fate,
  Outgoing,
  Sink,
  SubscribeOptions,
  TopologyDifference,
  TopologyWish,
} from '../driver/driver-contract.ts'
import type { BrokerState } from './broker-state.ts'
import { classify, MemoryBrokerError } from './memory-failures.ts'
import type { Member } from './member.ts'
import { Publisher } from './memory-publisher.ts'
import { partitionOfKey } from './memory-topic.ts'
import { createTopology, topologyDifference } from './memory-topology.ts'

export interface MemoryDriver extends Driver {
  /**
   * As if its process were killed: its members leave without a word, what they have not settled goes to others, and
   * nothing that is still running behind it can publish or settle any more.
   */
  abandon(): void
}

export function createMemoryDriver(broker: BrokerState, native: unknown): MemoryDriver {
  return new BrokerDriver(broker, native)
}

class BrokerDriver implements MemoryDriver {
  readonly name = 'memory'
  readonly capabilities: Capabilities
  readonly native: unknown
  readonly #broker: BrokerState
  readonly #publisher: Publisher
  readonly #members = new Set<Member>()
  #closed = false

  constructor(broker: BrokerState, native: unknown) {
    this.#broker = broker
    this.native = native
    this.capabilities = broker.capabilities
    this.#publisher = new Publisher(broker)
  }

  async topology(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference> {
    this.#refuseWhenClosed()
    if (mode === 'create') createTopology(this.#broker, wish)
    return topologyDifference(this.#broker, wish)
  }

  partitionOf({ topic, key }: Outgoing): string {
    if (key === undefined) return topic
    const partitions = this.#broker.topics.get(topic)?.logs.length ?? this.#broker.options.partitions
    return `${topic}/${partitionOfKey(key, partitions)}`
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    return this.#publisher.publish(batch, timeoutMs)
  }

  async subscribe(options: SubscribeOptions, sink: Sink): Promise<Consumer> {
    this.#refuseWhenClosed()
    const group = this.#broker.group(options.group)
    if (group.members.some(({ name }) => name === options.member)) {
      throw new MemoryBrokerError('refused', `group ${options.group} has a member ${options.member} already`)
    }
    const member = group.subscribe(options, sink)
    this.#members.add(member)
    void member.gone.then(() => this.#members.delete(member))
    return member
  }

  classify(error: unknown): FailureClass {
    return classify(error)
  }

  async close(): Promise<void> {
    this.abandon()
  }

  abandon(): void {
    this.#closed = true
    this.#publisher.close()
    for (const member of this.#members) member.leave()
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new MemoryBrokerError('closed', 'this driver was closed')
  }
}
