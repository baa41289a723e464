import type { ServiceName } from '../platform/open-service.ts'
import type { Shop } from '../run/shop.ts'
import { serviceNames } from '../shop-services.ts'
import { RemoteShop } from './remote-shop.ts'
import { ServiceProcess } from './service-process.ts'

export interface ProcessShopOptions {
  /** For every service. */
  readonly environment: Readonly<Record<string, string>>
  /** Something happened that a spectator wants to know. */
  readonly tell: (line: string) => void
}

/** The four services, each in a process of its own. */
export interface ProcessShop extends Shop {
  readonly processes: readonly ServiceProcess[]
}

/** Resolves when all four are ready. */
export async function openProcessShop({ environment, tell }: ProcessShopOptions): Promise<ProcessShop> {
  const processes: ReadonlyMap<ServiceName, ServiceProcess> = new Map(
    serviceNames.map(service => {
      const died = (how: string): void => tell(`${service} ended by itself and is started again (${how})`)
      return [service, new ServiceProcess({ service, environment, died })]
    }),
  )
  const all = [...processes.values()]
  const broken = Promise.race(all.map(process => process.broken))
  // Who waits for nothing else hears of it; at the end there may be nobody.
  broken.catch(() => undefined)
  const shop = new RemoteShop({ remoteOf: name => processes.get(name)?.remote, broken })
  const close = async (): Promise<void> => {
    await shop[Symbol.asyncDispose]()
    const unclean = await Promise.all(all.map(process => process.close()))
    for (const how of unclean) if (how !== undefined) tell(how)
  }
  try {
    await Promise.all(all.map(process => process.untilReady()))
  } catch (error) {
    await close()
    throw error
  }
  return {
    processes: all,
    broken,
    place: order => shop.place(order),
    ask: (name, question) => shop.ask(name, question),
    tally: () => shop.tally(),
    [Symbol.asyncDispose]: close,
  }
}
