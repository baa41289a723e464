import { mergeTimelines, type ServiceEntry } from '@mekong/saga'
import type { Order } from '../order/order-service.ts'
import type { ServiceName } from '../platform/open-service.ts'
import type { ServiceControl, ServiceStatus } from '../platform/service-control.ts'
import type { Tally } from '../platform/tally.ts'
import { serviceNames } from '../shop-services.ts'

/** The four services, wherever they run. */
export interface Shop extends AsyncDisposable {
  /** Resolves when the order is placed. Placing it twice places it once, so a service that was killed is asked again. */
  place(order: Order): Promise<void>
  /** Rejects while the service cannot be asked. */
  ask<Answer>(service: ServiceName, question: (control: ServiceControl) => Promise<Answer>): Promise<Answer>
  /** What all services together did so far, as far as they could tell. */
  tally(): Promise<Tally>
  /** Rejects when a service is not to be had any more; never resolves. */
  readonly broken: Promise<never>
}

/** What has not ended: empty when everything has. */
export async function unfinished(shop: Shop): Promise<readonly string[]> {
  const found = inWords(await askAll(shop, control => control.status({ outbox: false })))
  // An outbox is walked to be counted: only once nothing else is left.
  return found.length > 0 ? found : inWords(await askAll(shop, control => control.status({ outbox: true })))
}

/** What the services themselves say is wrong. */
export async function problems(shop: Shop): Promise<readonly string[]> {
  const found = await Promise.all(
    serviceNames.map(async name => {
      const status = await shop.ask(name, control => control.status({ outbox: false })).catch(() => undefined)
      return (status?.problems ?? ['it gives no answer']).map(problem => `${name}: ${problem}`)
    }),
  )
  return found.flat()
}

/** What an operator does: looks at what is dead and, once the cause is mended, has it handled again. */
export async function redriveDead(shop: Shop): Promise<number> {
  const redriven = await askAll(shop, control => control.redriveDead())
  return redriven.reduce((total, events) => total + events, 0)
}

/** What each service wrote down of one order, put together. */
export async function timelineOf(shop: Shop, orderId: string): Promise<readonly ServiceEntry[]> {
  const timelines = await askAll(shop, control => control.timeline(orderId))
  return mergeTimelines(Object.fromEntries(serviceNames.map((name, index) => [name, timelines[index] ?? []])))
}

function askAll<Answer>(
  shop: Shop,
  question: (control: ServiceControl) => Promise<Answer>,
): Promise<readonly Answer[]> {
  return Promise.all(serviceNames.map(name => shop.ask(name, question)))
}

/** `3 open orders`, `1 held events`; what is zero is left out. */
function inWords(statuses: readonly ServiceStatus[]): readonly string[] {
  const sums = new Map<string, number>()
  for (const { unfinished: counts } of statuses)
    for (const [what, count] of Object.entries(counts)) sums.set(what, (sums.get(what) ?? 0) + count)
  return [...sums].filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
}
