import type { ChannelModel, Options } from 'amqplib'
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
} from '@mekong/core/driver'
import { bucketOf } from './buckets.ts'
import { Requests } from './connection/requests.ts'
import { SupervisedConnection } from './connection/supervised-connection.ts'
import { Requeue } from './consume/requeue.ts'
import { capabilitiesOf } from './rabbitmq-capabilities.ts'
import {
  resolveRabbitMqOptions,
  type RabbitMqOptions,
  type ResolvedRabbitMqOptions,
} from './rabbitmq-driver-options.ts'
import { classify, RabbitMqError } from './rabbitmq-failures.ts'
import { Publisher } from './rabbitmq-publisher.ts'
import { Subscription } from './rabbitmq-subscription.ts'
import { Topology } from './rabbitmq-topology.ts'

/** The connections of this driver, while they are there: for what Mekong does not cover. */
export interface RabbitMqConnections {
  readonly publishing: ChannelModel | undefined
  readonly consuming: ChannelModel | undefined
}

/**
 * A driver for RabbitMQ, to be passed as `broker`; one for each bus. Connects when it is first used.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function rabbitmq(options: RabbitMqOptions): Driver {
  return new RabbitMqDriver(resolveRabbitMqOptions(options))
}

class RabbitMqDriver implements Driver {
  readonly name = 'rabbitmq'
  readonly capabilities: Capabilities
  readonly native: RabbitMqConnections
  readonly #options: ResolvedRabbitMqOptions
  /** Apart, because a broker that is short of memory stops reading from connections that publish. */
  readonly #publishing: SupervisedConnection
  readonly #consuming: SupervisedConnection
  readonly #requests: Requests
  readonly #requeue: Requeue
  readonly #publisher: Publisher
  readonly #topology: Topology
  readonly #subscriptions = new Set<Subscription>()
  /** What was created, by group: so it is declared again when somebody deletes it. */
  readonly #created = new Map<string, TopologyWish>()
  #isClosed = false

  constructor(options: ResolvedRabbitMqOptions) {
    const { connection, connectTimeoutMs } = options
    this.#options = options
    this.capabilities = capabilitiesOf(options)
    const publishing = new SupervisedConnection(connection, 'publishing')
    const consuming = new SupervisedConnection(connection, 'consuming')
    this.native = {
      get publishing() {
        return publishing.current
      },
      get consuming() {
        return consuming.current
      },
    }
    this.#publishing = publishing
    this.#consuming = consuming
    this.#requests = new Requests(consuming, connectTimeoutMs)
    this.#requeue = new Requeue(publishing, connectTimeoutMs)
    this.#publisher = new Publisher({ ...options, connection: publishing })
    const send = (queue: string, how: Options.Publish): Promise<void> =>
      this.#requeue.send('', queue, Buffer.alloc(0), how)
    this.#topology = new Topology({ ...options, requests: this.#requests, send })
  }

  async topology(wish: TopologyWish, mode: 'verify' | 'create'): Promise<TopologyDifference> {
    this.#refuseWhenClosed()
    if (mode === 'create') {
      await this.#topology.create(wish)
      for (const { name } of wish.groups) this.#created.set(name, wish)
    }
    return this.#topology.difference(wish)
  }

  partitionOf({ topic, key }: Outgoing): string {
    return key === undefined ? topic : `${topic}.${bucketOf(key)}`
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    return this.#publisher.publish(batch, timeoutMs)
  }

  async subscribe(subscribe: SubscribeOptions, sink: Sink): Promise<Consumer> {
    this.#refuseWhenClosed()
    const subscription = new Subscription({
      ...this.#options,
      subscribe,
      sink,
      connection: this.#consuming,
      requests: this.#requests,
      requeue: this.#requeue,
      restore: group => this.#restore(group),
      onClosed: closed => this.#subscriptions.delete(closed),
    })
    this.#subscriptions.add(subscription)
    await subscription.start()
    return subscription
  }

  classify(error: unknown): FailureClass {
    return classify(error)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#publisher.close()
    await Promise.all([...this.#subscriptions].map(subscription => subscription.close()))
    await Promise.all([this.#publishing.close(), this.#consuming.close()])
  }

  async #restore(group: string): Promise<void> {
    const wish = this.#created.get(group)
    if (wish !== undefined) await this.#topology.create(wish)
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new RabbitMqError('closed', 'this driver was closed')
  }
}
