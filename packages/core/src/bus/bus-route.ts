import { ConsumeGroup, type ConsumeGroupOptions } from '../consume/consume-group.ts'
import { deadLetterTopic } from '../consume/dead-letters.ts'
import type { Subscription } from '../consume/subscription.ts'
import type { Driver, GroupWish, TopicWish } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import type { TopicOptions } from '../event-bus-options.ts'
import type { HoldStore } from '../hold/hold-store.ts'
import type { Publisher } from '../publish/publisher.ts'

export interface BusRouteOptions {
  readonly name: string
  readonly driver: Driver
  readonly publisher: Publisher
  readonly hold: HoldStore | undefined
  readonly group: string
  readonly consume: Omit<ConsumeGroupOptions, 'driver' | 'hold' | 'publishDead'>
}

/** One broker of a bus: what is published to it and consumed from it. */
export class BusRoute {
  readonly name: string
  readonly driver: Driver
  readonly publisher: Publisher
  readonly hold: HoldStore | undefined
  readonly group: ConsumeGroup
  readonly subscriptions: Subscription[] = []
  readonly #options: BusRouteOptions

  constructor(options: BusRouteOptions) {
    const { name, driver, publisher, hold } = options
    this.#options = options
    this.name = name
    this.driver = driver
    this.publisher = publisher
    this.hold = hold
    this.group = new ConsumeGroup({
      ...options.consume,
      driver,
      hold,
      publishDead: event => publisher.send(event, { isDeadLetter: true }),
    })
  }

  /**
   * Brings the broker's topics and groups in line with what is wished, or compares only.
   * @throws MekongError TOPOLOGY_DIFFERS with each difference
   */
  async prepareTopology(
    topics: readonly string[],
    mode: 'create' | 'verify' | 'skip',
    wishes: Readonly<Record<string, TopicOptions>>,
  ): Promise<void> {
    if (mode === 'skip') return
    const subscribed = this.subscriptions.map(subscription => subscription.topic)
    const dead = this.hold === undefined ? subscribed.map(topic => this.#deadTopic(topic)) : []
    const names = new Set([...topics, ...subscribed, ...dead])
    const difference = await this.driver.topology(
      {
        topics: [...names].map(name => this.#wish(name, wishes[name])),
        groups: subscribed.length === 0 ? [] : [this.#groupWish(subscribed)],
      },
      mode,
    )
    if (difference.length === 0) return
    const lines = difference.map(({ what, wished, found }) => `${what}: wished ${wished}, found ${found}`)
    throw new MekongError(
      'TOPOLOGY_DIFFERS',
      `${this.driver.name} is not as wished: ${lines.join('; ')}${mode === 'verify' ? "; topology: 'create' creates what is missing" : ''}`,
    )
  }

  #groupWish(topics: readonly string[]): GroupWish {
    const { group, consume } = this.#options
    return { name: group, topics: [...new Set(topics)], ...(consume.isReplay && { isReplay: true }) }
  }

  #wish(name: string, wish: TopicOptions | undefined): TopicWish {
    const ordered = this.subscriptions.some(({ topic, ordered: isOrdered }) => topic === name && isOrdered)
    return { name, ordered, partitions: wish?.partitions, retentionMs: wish?.retentionMs }
  }

  #deadTopic(topic: string): string {
    return deadLetterTopic(topic, this.#options.group, this.driver.capabilities)
  }
}
