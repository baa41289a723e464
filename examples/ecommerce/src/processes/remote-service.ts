import type { TimelineEntry } from '@mekong/saga'
import type { Order } from '../order/order-service.ts'
import type { ServiceControl, ServiceStatus } from '../platform/service-control.ts'

/** A service asked over HTTP. */
export interface RemoteService extends ServiceControl {
  isReady(): Promise<boolean>
  /** For the order service. Rejects with a RequestRefused when asking again is of no use. */
  place(order: Order): Promise<void>
}

/** The service has understood, and will never do it. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused'
}

/** An answer that takes longer does not come: the process was stopped, or hangs. */
const timeoutMs = 10_000

/** @param url where the service answers, without a path */
export function remoteService(url: string): RemoteService {
  const request = async <Body>(method: string, path: string, body?: unknown): Promise<Body> => {
    const response = await fetch(`${url}${path}`, {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const answer = await response.text()
    if (response.ok) return JSON.parse(answer) as Body
    const message = `${method} ${path}: ${response.status} ${answer.trim()}`
    throw response.status === 400 ? new RequestRefused(message) : new Error(message)
  }
  return {
    status: ({ outbox }) => request<ServiceStatus>('GET', `/status?outbox=${outbox}`),
    redriveDead: () => request<number>('POST', '/redrive'),
    timeline: orderId => request<readonly TimelineEntry[]>('GET', `/timelines/${encodeURIComponent(orderId)}`),
    isReady: () =>
      request('GET', '/readyz').then(
        () => true,
        () => false,
      ),
    async place(order) {
      await request('POST', '/orders', order)
    },
  }
}
