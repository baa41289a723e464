import { isMekongError } from '@mekong/core'
import { messageOf } from '@mekong/core/driver'
import { z } from 'zod'
import { type Order, placeOrder } from '../order/order-service.ts'
import type { Dependency, RunningService, ServiceName } from '../platform/open-service.ts'
import { problemsOf, type ServiceControl } from '../platform/service-control.ts'
import { type Answer, type Endpoint, Refusal } from './service-endpoints.ts'

/** A service on its way from its start to its end. */
export interface ServiceStage {
  /** Undefined until it has opened. */
  running: RunningService | undefined
  control: ServiceControl | undefined
  /** What its opening was last refused by, because it is away. */
  waitsFor: Dependency | undefined
  isDraining: boolean
}

/** What a service answers over HTTP: whether it lives, whether it is ready, what it does, and what it is asked to do. */
export function shopEndpoints(service: ServiceName, stage: ServiceStage): readonly Endpoint[] {
  return [
    { method: 'GET', path: '/healthz', answer: () => liveness(stage) },
    { method: 'GET', path: '/readyz', answer: () => readiness(stage) },
    {
      method: 'GET',
      path: '/status',
      answer: ({ query }) => ask(stage, ({ control }) => control.status({ outbox: query.get('outbox') === 'true' })),
    },
    {
      method: 'GET',
      path: '/timelines/:orderId',
      answer: ({ parameter }) => ask(stage, ({ control }) => control.timeline(parameter)),
    },
    { method: 'POST', path: '/redrive', answer: () => ask(stage, ({ control }) => control.redriveDead()) },
    ...(service === 'order' ? [orders(stage)] : []),
  ]
}

/** Only what a restart of the process would mend makes it fail. */
function liveness({ running }: ServiceStage): Answer {
  const status = running?.eventBus.health().status ?? 'starting'
  return { status: status === 'failed' ? 503 : 200, body: { status } }
}

const databaseTimeoutMs = 2000

/** Ready: the bus takes part in its group at the broker, and the database answers. Relay and broker tell what ails them. */
async function readiness({ running, isDraining, waitsFor }: ServiceStage): Promise<Answer> {
  if (isDraining) return { status: 503, body: { status: 'draining', problems: [] } }
  if (running === undefined) {
    const problems = waitsFor === undefined ? [] : [`waits for the ${waitsFor}`]
    return { status: 503, body: { status: 'starting', problems } }
  }
  const database = await databaseProblem(running)
  const { status } = running.eventBus.health()
  const isReady = status === 'ok' && database === undefined
  const problems = [...problemsOf(running), ...(database === undefined ? [] : [database])]
  return { status: isReady ? 200 : 503, body: { status: isReady ? 'ready' : 'not ready', problems } }
}

async function databaseProblem({ sql }: RunningService): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve(`database: no answer within ${databaseTimeoutMs} ms`), databaseTimeoutMs)
  const asked = sql.query('select 1').then(
    () => undefined,
    (error: unknown) => `database: ${messageOf(error)}`,
  )
  return Promise.race([asked, late]).finally(() => clearTimeout(timer))
}

const orderSchema: z.ZodType<Order> = z.strictObject({
  orderId: z.string().min(1).max(200),
  kind: z.enum(['sale', 'return']),
  customerId: z.string().max(1000),
  totalPence: z.number().int().nonnegative(),
  items: z
    .array(z.strictObject({ stockCode: z.string().min(1).max(1000), units: z.number().int().positive() }))
    .min(1)
    .max(10_000),
})

/** The order id is given by whoever orders: asking again, because no answer came, places no second order. */
function orders(stage: ServiceStage): Endpoint {
  return {
    method: 'POST',
    path: '/orders',
    async answer({ body }) {
      const order = orderSchema.safeParse(body)
      if (!order.success) throw new Refusal(400, z.prettifyError(order.error))
      await ask(stage, ({ running }) => placeOrder(running, order.data))
      return { status: 202, body: { orderId: order.data.orderId } }
    },
  }
}

interface Opened {
  readonly running: RunningService
  readonly control: ServiceControl
}

/** What passes by itself is told so: whoever asked may ask again. */
async function ask<Body>(
  { running, control, isDraining }: ServiceStage,
  question: (opened: Opened) => Promise<Body>,
): Promise<Answer> {
  if (running === undefined || control === undefined || isDraining) throw new Refusal(503, 'the service is not open')
  try {
    return { status: 200, body: (await question({ running, control })) ?? null }
  } catch (error) {
    if (isMekongError(error) && error.retryable) throw new Refusal(503, messageOf(error))
    if (isMekongError(error) && error.code.startsWith('INVALID')) throw new Refusal(400, messageOf(error))
    throw error
  }
}
