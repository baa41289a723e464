import type {
  Consumer,
  Incoming,
  Lag,
  Partition,
  Settlement,
  Sink,
  SubscribeOptions,
  TopicSubscription,
} from '../driver/driver-contract.ts'
import type { BrokerState } from './broker-state.ts'
import type { GroupCursor } from './group-cursor.ts'
import type { Hand } from './hand.ts'
import type { Group } from './memory-group.ts'
import { MemoryBrokerError } from './memory-failures.ts'
import { Delivery } from './memory-message.ts'

/** A member of a group, and the consumer that the bus holds of it. */
export class Member implements Consumer {
  readonly name: string
  readonly sink: Sink
  readonly window: number
  readonly topics: Set<string>
  readonly hands: Map<Partition, Hand> = new Map()
  /** Resolves when it has left or died. */
  readonly gone: Promise<void>
  #takes = true
  #left = false
  readonly #broker: BrokerState
  readonly #group: Group
  readonly #options: SubscribeOptions
  #requests: Hand[] = []
  #go: () => void = () => {}

  constructor(broker: BrokerState, group: Group, options: SubscribeOptions, sink: Sink) {
    this.#broker = broker
    this.#group = group
    this.#options = options
    this.name = options.member
    this.sink = sink
    this.window = options.window
    this.topics = new Set(options.topics.map(({ topic }) => topic))
    this.gone = new Promise(resolve => (this.#go = resolve))
  }

  get takes(): boolean {
    return this.#takes && this.#broker.connected
  }

  get left(): boolean {
    return this.#left
  }

  deferDelivery(hand: Hand): void {
    this.#requests.push(hand)
    if (this.#requests.length === 1) this.#broker.options.defer(() => this.#deliver())
  }

  settle(batch: readonly Incoming[], settlement: Settlement): void {
    let cursor: GroupCursor | undefined
    for (const incoming of batch) {
      if (!(incoming instanceof Delivery) || incoming.hand.member !== this) {
        this.#broker.violated('settled a message that this consumer did not deliver')
        continue
      }
      if (!incoming.open) continue
      incoming.open = false
      incoming.hand.inHand--
      if (cursor !== incoming.hand.cursor) {
        cursor?.wake()
        cursor = incoming.hand.cursor
      }
      if (settlement.is === 'acknowledge') cursor.acknowledge(incoming, settlement.durable)
      else cursor.redeliver(incoming, this.#broker.permittedDelay(settlement.afterMs))
    }
    cursor?.wake()
  }

  pause(partition: Partition): void {
    const hand = this.hands.get(partition)
    if (hand !== undefined) hand.paused = true
  }

  resume(partition: Partition): void {
    const hand = this.hands.get(partition)
    if (hand === undefined) return
    hand.paused = false
    hand.cursor.wake()
  }

  async extend(topics: readonly TopicSubscription[]): Promise<void> {
    this.#refuseWhenLeft()
    this.#group.join(
      this,
      topics.map(({ topic }) => topic),
      this.#options.from,
    )
  }

  async seek(partition: Partition, to: { readonly position: string } | { readonly time: number }): Promise<void> {
    const hand = this.hands.get(partition)
    if (this.#broker.capabilities.replay === 'none') throw new MemoryBrokerError('refused', 'this broker cannot replay')
    if (hand === undefined)
      throw new MemoryBrokerError('refused', `partition ${partition.topic}/${partition.id} is not ours`)
    hand.cursor.seek('time' in to ? hand.cursor.log.offsetAt(to.time) : Number(to.position))
  }

  async lag(): Promise<ReadonlyMap<Partition, Lag>> {
    return new Map([...this.hands.values()].map(hand => [hand.partition, { messages: hand.cursor.lag }]))
  }

  async stop(): Promise<void> {
    this.#takes = false
  }

  async close(): Promise<void> {
    this.leave()
  }

  /** At once and without a word to its sink: what it has not settled goes to the others. */
  leave(): void {
    if (this.#left) return
    this.#left = true
    this.#takes = false
    this.#go()
    this.#group.remove(this)
  }

  #deliver(): void {
    const { hostility } = this.#broker.options
    const hands = this.#requests
    this.#requests = []
    if (!hostility.shuffle) {
      for (const hand of hands) this.#broker.harass(hand, hand.deliver(whole))
      return
    }
    this.#broker.shuffle(hands)
    for (const hand of hands) this.#broker.harass(hand, hand.deliver(this.#broker.anyUpTo))
  }

  #refuseWhenLeft(): void {
    if (this.#left) throw new MemoryBrokerError('closed', `member ${this.name} has left its group`)
  }
}

function whole(largest: number): number {
  return largest
}
