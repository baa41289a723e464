import { createSagaParticipant, type SagaParticipant, type StepHandlers } from '../src/index.ts'
import { type HandBus, handBus } from './hand-bus.ts'
import { orderSaga } from './order-saga.ts'
import { effect, type SagaDatabase } from './saga-database.ts'

type Service = 'inventory' | 'payment' | 'order' | 'email'

/** What the services of the order saga do in the tests: leave an effect, and say so. */
export const orderSteps: { readonly [S in Service]: StepHandlers<typeof orderSaga, S> } = {
  inventory: {
    reserve: async (event, step) => {
      await effect('reserve', step)
      step.emit('stock.reserved', event)
    },
    dispatch: (_, step) => effect('dispatch', step),
    release: async (event, step) => {
      await effect('release', step)
      step.emit('stock.released', { orderId: event.orderId })
    },
    restock: async (event, step) => {
      await effect('restock', step)
      step.emit('stock.returned', { ...event, units: 3 })
    },
  },
  payment: {
    charge: async (event, step) => {
      if (event.total > 100) return step.emit('payment.declined', { orderId: event.orderId, reason: 'limit' })
      await effect('charge', step)
      step.emit('payment.charged', { orderId: event.orderId })
    },
    refund: async (event, step) => {
      await effect('refund', step)
      step.emit('payment.refunded', { ...event, pence: 500 })
    },
  },
  order: {
    complete: (event, step) => step.emit('order.completed', event),
    reject: (event, step) => step.emit('order.rejected', { ...event, reason: 'no stock' }),
    cancel: (event, step) => step.emit('order.cancelled', event),
    settle: async (events, step) => {
      await effect(`settle ${events['stock.returned'].units} units, ${events['payment.refunded'].pence} pence`, step)
      step.emit('order.refunded', { orderId: events['stock.returned'].orderId })
    },
  },
  email: {
    notify: (event, step) => effect(`notify ${event.type}`, step),
  },
}

export interface RunningService extends HandBus {
  readonly participant: SagaParticipant
}

/** Joins the order saga with one service on one database. */
export function joinOrderSaga<S extends Service>(
  service: S,
  database: Pick<SagaDatabase, 'sql' | 'inbox' | 'outbox'>,
  steps: StepHandlers<typeof orderSaga, S> = orderSteps[service],
): RunningService {
  const bus = handBus(service)
  const { sql, inbox, outbox } = database
  const participant = createSagaParticipant({ saga: orderSaga, service, eventBus: bus.bus, sql, inbox, outbox, steps })
  return Object.assign(bus, { participant })
}
