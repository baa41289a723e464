import { setTimeout as delay } from 'node:timers/promises'
import type { Order } from '../order/order-service.ts'
import type { ServiceName } from '../platform/open-service.ts'
import type { ServiceControl } from '../platform/service-control.ts'
import { sumOfTallies, type Tally } from '../platform/tally.ts'
import type { Shop } from '../run/shop.ts'
import { serviceNames } from '../shop-services.ts'
import { type RemoteService, RequestRefused } from './remote-service.ts'

export interface RemoteShopOptions {
  /** Undefined while no process of the service answers; another one for each process. */
  readonly remoteOf: (service: ServiceName) => RemoteService | undefined
  readonly broken: Promise<never>
}

const placeAgainAfterMs = 100

/** Four services asked over HTTP, whoever runs them. */
export class RemoteShop implements Shop {
  readonly broken: Promise<never>
  readonly #remoteOf: (service: ServiceName) => RemoteService | undefined
  /** What each process last told of its work; one that was killed told it some moments before. */
  readonly #tallies = new Map<RemoteService, Tally>()
  #isClosed = false

  constructor({ remoteOf, broken }: RemoteShopOptions) {
    this.#remoteOf = remoteOf
    this.broken = broken
  }

  async tally(): Promise<Tally> {
    await Promise.allSettled(serviceNames.map(name => this.ask(name, control => control.status({ outbox: false }))))
    return sumOfTallies([...this.#tallies.values()])
  }

  async ask<Answer>(name: ServiceName, question: (control: ServiceControl) => Promise<Answer>): Promise<Answer> {
    const remote = this.#remote(name)
    return question({
      ...remote,
      status: async options => {
        const status = await remote.status(options)
        this.#tallies.set(remote, status.tally)
        return status
      },
    })
  }

  /** Until there is an answer: the order has its id from whoever orders, so it is never placed twice. */
  async place(order: Order): Promise<void> {
    for (;;) {
      try {
        return await this.#remote('order').place(order)
      } catch (error) {
        if (this.#isClosed || error instanceof RequestRefused) throw error
        await delay(placeAgainAfterMs)
      }
    }
  }

  /** Places nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
  }

  #remote(name: ServiceName): RemoteService {
    const remote = this.#remoteOf(name)
    if (remote === undefined) throw new Error(`${name} gives no answer`)
    return remote
  }
}
