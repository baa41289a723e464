import { setTimeout as delay } from 'node:timers/promises'
import { isMekongError } from '@mekong/core'
import { placeOrder, type Order } from '../../order/order-service.ts'
import type { RunningService, ServiceName, Surroundings } from '../../platform/open-service.ts'
import { type ServiceControl, serviceControl } from '../../platform/service-control.ts'
import { startTally, type Tally } from '../../platform/tally.ts'
import { countOpen, openShopService, serviceNames, type ShopOptions } from '../../shop-services.ts'
import type { Shop } from '../shop.ts'

/** A running service, and what tells its callers that it is there no more. */
interface Place {
  readonly running: RunningService
  readonly gone: PromiseWithResolvers<never>
}

/** The four services in this process. */
export class OneProcessShop implements Shop {
  readonly broken = new Promise<never>(() => undefined)
  readonly #options: ShopOptions
  readonly #surroundings: Surroundings
  readonly #tally: Tally
  readonly #places = new Map<ServiceName, Place>()

  private constructor(options: ShopOptions, surroundings: Surroundings) {
    const { tally, observe } = startTally()
    this.#options = options
    this.#surroundings = { ...surroundings, observe }
    this.#tally = tally
  }

  static async open(options: ShopOptions, surroundings: Surroundings): Promise<OneProcessShop> {
    const shop = new OneProcessShop(options, surroundings)
    await Promise.all(serviceNames.map(name => shop.#open(name)))
    return shop
  }

  tally(): Promise<Tally> {
    return Promise.resolve({ ...this.#tally })
  }

  ask<Answer>(name: ServiceName, question: (control: ServiceControl) => Promise<Answer>): Promise<Answer> {
    return this.#call(name, running => question(serviceControl({ running, tally: this.#tally, countOpen })))
  }

  async place(order: Order): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#call('order', running => placeOrder(running, order))
      } catch (error) {
        if (attempt === 20 || isRefusal(error)) throw error
        await delay(50 * attempt)
      }
    }
  }

  /** Cuts a service off in the middle of its work and opens it again. */
  async restart(name: ServiceName): Promise<void> {
    const place = this.#places.get(name)
    place?.gone.reject(new Error(`${name} was cut off`))
    await place?.running.close({ timeoutMs: 0 })
    await this.#open(name)
  }

  /** Rejects as soon as the service is cut off, as a call over a network would. */
  async #call<Answer>(name: ServiceName, question: (running: RunningService) => Promise<Answer>): Promise<Answer> {
    const place = this.#places.get(name)
    if (place === undefined) throw new RangeError(`there is no service ${name}`)
    return Promise.race([question(place.running), place.gone.promise])
  }

  async #open(name: ServiceName): Promise<void> {
    const gone = Promise.withResolvers<never>()
    // Whoever asks at that moment hears of it; there may be nobody.
    gone.promise.catch(() => undefined)
    this.#places.set(name, { running: await openShopService(name, this.#options, this.#surroundings), gone })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#places.values()].map(({ running }) => running.close()))
  }
}

function isRefusal(error: unknown): boolean {
  return isMekongError(error) && error.code.startsWith('INVALID')
}
