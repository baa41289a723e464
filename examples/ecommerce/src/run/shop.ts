import { isMekongError } from '@mekong/core'
import { mergeTimelines, sagaTimeline, type ServiceEntry } from '@mekong/saga'
import { setTimeout as delay } from 'node:timers/promises'
import { countReservations } from '../inventory/inventory-service.ts'
import { countOpenOrders, placeOrder, type Order } from '../order/order-service.ts'
import type { RunningService, ServiceName, Surroundings } from '../platform/open-service.ts'
import { openShopService, serviceNames, type ShopOptions } from '../shop-services.ts'

/** The four services in this process. */
export class Shop implements AsyncDisposable {
  readonly #options: ShopOptions
  readonly #surroundings: Surroundings
  readonly #services: Map<ServiceName, RunningService>

  private constructor(options: ShopOptions, surroundings: Surroundings, services: readonly RunningService[]) {
    this.#options = options
    this.#surroundings = surroundings
    this.#services = new Map(services.map(running => [running.service, running]))
  }

  static async open(options: ShopOptions, surroundings: Surroundings): Promise<Shop> {
    const services = await Promise.all(serviceNames.map(name => openShopService(name, options, surroundings)))
    return new Shop(options, surroundings, services)
  }

  get services(): readonly RunningService[] {
    return [...this.#services.values()]
  }

  service(name: ServiceName): RunningService {
    const running = this.#services.get(name)
    if (running === undefined) throw new RangeError(`there is no service ${name}`)
    return running
  }

  /** Placing an order twice places it once, so a service that was cut off meanwhile is simply asked again. */
  async place(order: Order): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await placeOrder(this.service('order'), order)
      } catch (error) {
        if (attempt === 20 || isRefusal(error)) throw error
        await delay(50 * attempt)
      }
    }
  }

  /** Cuts a service off in the middle of its work and opens it again. */
  async restart(name: ServiceName): Promise<void> {
    await this.service(name).close({ timeoutMs: 0 })
    this.#services.set(name, await openShopService(name, this.#options, this.#surroundings))
  }

  /** What has not ended: empty when everything has. */
  async unfinished(): Promise<readonly string[]> {
    const open = await countOpenOrders(this.service('order').sql)
    const reservations = await countReservations(this.service('inventory').sql)
    const held = await Promise.all(this.services.map(async ({ eventBus }) => (await eventBus.held.list({ limit: 1000 })).events.length))
    const found = named({ 'open orders': open, reservations, 'held events': sum(held) })
    // An outbox is walked to be counted: only once nothing else is left.
    if (found.length > 0) return found
    const waiting = await Promise.all(this.services.map(async ({ relay }) => (await relay.stats()).undelivered))
    return named({ 'events in outboxes': sum(waiting) })
  }

  /** What an operator does: looks at what is dead and, once the cause is mended, has it handled again. */
  async redriveDead(): Promise<number> {
    let redriven = 0
    for (const { eventBus } of this.services) {
      const { events } = await eventBus.held.list({ state: 'dead', limit: 1000 })
      if (events.length > 0) redriven += await eventBus.held.redrive({ state: 'dead' })
    }
    return redriven
  }

  /** What each service wrote down of one order, put together. */
  async timeline(orderId: string): Promise<readonly ServiceEntry[]> {
    const entries = await Promise.all(
      this.services.map(async ({ service, sql, schema }) => [service, await sagaTimeline(sql, { schema, instance: orderId })] as const),
    )
    return mergeTimelines(Object.fromEntries(entries))
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
