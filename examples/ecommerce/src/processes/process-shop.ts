import { setTimeout as delay } from 'node:timers/promises'
import type { Order } from '../order/order-service.ts'
import type { ServiceName } from '../platform/open-service.ts'
import type { ServiceControl } from '../platform/service-control.ts'
import { sumOfTallies, type Tally } from '../platform/tally.ts'
import type { Shop } from '../run/shop.ts'
import { serviceNames } from '../shop-services.ts'
import { type RemoteService, RequestRefused } from './remote-service.ts'
import { ServiceProcess } from './service-process.ts'

export interface ProcessShopOptions {
  /** For every service. */
  readonly environment: Readonly<Record<string, string>>
  /** Something happened that a spectator wants to know. */
  readonly tell: (line: string) => void
}

const placeAgainAfterMs = 100

/** The four services, each in a process of its own. */
export class ProcessShop implements Shop {
  readonly broken: Promise<never>
  readonly #processes: ReadonlyMap<ServiceName, ServiceProcess>
  readonly #tell: (line: string) => void
  /** What each process last told of its work; one that was killed told it some moments before. */
  readonly #tallies = new Map<RemoteService, Tally>()
  #isClosed = false

  private constructor({ environment, tell }: ProcessShopOptions) {
    this.#tell = tell
    this.#processes = new Map(
      serviceNames.map(service => {
        const died = (how: string): void => tell(`${service} ended by itself and is started again (${how})`)
        return [service, new ServiceProcess({ service, environment, died })]
      }),
    )
    this.broken = Promise.race([...this.#processes.values()].map(({ broken }) => broken))
    this.broken.catch(() => undefined)
  }

  /** Resolves when all four are ready. */
  static async open(options: ProcessShopOptions): Promise<ProcessShop> {
    const shop = new ProcessShop(options)
    try {
      await Promise.all([...shop.#processes.values()].map(service => service.untilReady()))
      return shop
    } catch (error) {
      await shop[Symbol.asyncDispose]()
      throw error
    }
  }

  get processes(): readonly ServiceProcess[] {
    return [...this.#processes.values()]
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

  #remote(name: ServiceName): RemoteService {
    const remote = this.#processes.get(name)?.remote
    if (remote === undefined) throw new Error(`${name} gives no answer`)
    return remote
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    const unclean = await Promise.all(this.processes.map(service => service.close()))
    for (const how of unclean) if (how !== undefined) this.#tell(how)
  }
}
