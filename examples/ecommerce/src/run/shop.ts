import { isMekongError } from '@mekong/core'
import { mergeTimelines, sagaTimeline, type ServiceEntry } from '@mekong/saga'
import { setTimeout as delay } from 'node:timers/promises'
import { countReservations } from '../inventory/inventory-service.ts'
import { countOpenOrders, placeOrder, type Order } from '../order/order-service.ts'
import type { RunningService, ServiceName, Surroundings } from '../platform/open-service.ts'
import { openShopService, serviceNames, type ShopOptions } from '../shop-services.ts'

/** A running service, and what tells its callers that it is there no more. */
interface Place {
  readonly running: RunningService
  readonly gone: PromiseWithResolvers<never>
}

/** The four services in this process. */
export class Shop implements AsyncDisposable {
  readonly #options: ShopOptions
  readonly #surroundings: Surroundings
  readonly #places = new Map<ServiceName, Place>()

  private constructor(options: ShopOptions, surroundings: Surroundings) {
    this.#options = options
    this.#surroundings = surroundings
  }

  static async open(options: ShopOptions, surroundings: Surroundings): Promise<Shop> {
    const shop = new Shop(options, surroundings)
    await Promise.all(serviceNames.map(name => shop.#open(name)))
    return shop
  }

  get services(): readonly RunningService[] {
    return [...this.#places.values()].map(place => place.running)
  }

  /** Asks a service something; rejects as soon as the service is cut off, as a call over a network would. */
  async ask<Answer>(name: ServiceName, question: (running: RunningService) => Promise<Answer>): Promise<Answer> {
    const place = this.#places.get(name)
    if (place === undefined) throw new RangeError(`there is no service ${name}`)
    return Promise.race([question(place.running), place.gone.promise])
  }

  askAll<Answer>(question: (running: RunningService) => Promise<Answer>): Promise<readonly Answer[]> {
    return Promise.all(serviceNames.map(name => this.ask(name, question)))
  }

  /** Placing an order twice places it once, so a service that was cut off meanwhile is simply asked again. */
  async place(order: Order): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.ask('order', running => placeOrder(running, order))
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

  /** What has not ended: empty when everything has. */
  async unfinished(): Promise<readonly string[]> {
    const open = await this.ask('order', ({ sql }) => countOpenOrders(sql))
    const reservations = await this.ask('inventory', ({ sql }) => countReservations(sql))
    const held = await this.askAll(async ({ eventBus }) => (await eventBus.held.list({ limit: 1000 })).events.length)
    const found = named({ 'open orders': open, reservations, 'held events': sum(held) })
    // An outbox is walked to be counted: only once nothing else is left.
    if (found.length > 0) return found
    const waiting = await this.askAll(async ({ relay }) => (await relay.stats()).undelivered)
    return named({ 'events in outboxes': sum(waiting) })
  }

  /** What the services themselves say is wrong. */
  problems(): readonly string[] {
    return this.services.flatMap(({ service, eventBus, relay }) =>
      [...eventBus.health().problems, ...relay.health().problems].map(problem => `${service}: ${problem}`),
    )
  }

  /** What an operator does: looks at what is dead and, once the cause is mended, has it handled again. */
  async redriveDead(): Promise<number> {
    return sum(
      await this.askAll(async ({ eventBus: { held } }) => {
        const { events } = await held.list({ state: 'dead', limit: 1 })
        return events.length === 0 ? 0 : held.redrive({ state: 'dead' })
      }),
    )
  }

  /** What each service wrote down of one order, put together. */
  async timeline(orderId: string): Promise<readonly ServiceEntry[]> {
    const entries = await this.askAll(
      async ({ service, sql, schema }) => [service, await sagaTimeline(sql, { schema, instance: orderId })] as const,
    )
    return mergeTimelines(Object.fromEntries(entries))
  }

  async #open(name: ServiceName): Promise<void> {
    const gone = Promise.withResolvers<never>()
    // Whoever asks at that moment hears of it; there may be nobody.
    gone.promise.catch(() => undefined)
    this.#places.set(name, { running: await openShopService(name, this.#options, this.#surroundings), gone })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.services.map(running => running.close()))
  }
}

function named(counts: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(counts).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`]))
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function isRefusal(error: unknown): boolean {
  return isMekongError(error) && error.code.startsWith('INVALID')
}
