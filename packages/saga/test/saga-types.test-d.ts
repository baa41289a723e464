import type { EventBus, HandlerContext } from '@mekong/core'
import type { PostgresInbox, Sql } from '@mekong/postgres'
import { expectTypeOf, it } from 'vitest'
import {
  all,
  any,
  compensated,
  createSagaParticipant,
  defineSaga,
  type SagaOutbox,
  type ServiceOf,
  type StepsOf,
} from '../src/index.ts'
import { contract, orderSaga } from './order-saga.ts'
import { tripSaga } from './trip-saga.ts'

declare const eventBus: EventBus<typeof contract>
declare const tripBus: EventBus<(typeof tripSaga)['contract']>
declare const sql: Sql
declare const inbox: PostgresInbox
declare const outbox: SagaOutbox
const parts = { saga: orderSaga, eventBus, sql, inbox, outbox } as const

it('knows the services and their steps', () => {
  expectTypeOf<ServiceOf<typeof orderSaga>>().toEqualTypeOf<'inventory' | 'payment' | 'order' | 'email'>()
  expectTypeOf<StepsOf<typeof orderSaga, 'payment'>>().toEqualTypeOf<'charge' | 'refund'>()
})

it('types the event and what may be emitted from the declaration', () => {
  createSagaParticipant({
    ...parts,
    service: 'payment',
    steps: {
      charge: (event, step) => {
        expectTypeOf(event).toEqualTypeOf<{ orderId: string; total: number }>()
        expectTypeOf(step.context).toEqualTypeOf<HandlerContext<typeof contract>>()
        expectTypeOf(step.instance).toBeString()
        step.emit('payment.charged', { orderId: event.orderId })
        step.emit('payment.declined', { orderId: event.orderId, reason: 'limit' })
        // @ts-expect-error declared by another step
        step.emit('payment.refunded', { orderId: event.orderId, pence: 1 })
        // @ts-expect-error not in the contract
        step.emit('payment.lost', {})
        // @ts-expect-error the data is that of another event
        step.emit('payment.declined', { orderId: event.orderId })
      },
      refund: (event, step) => step.emit('payment.refunded', { orderId: event.orderId, pence: 100 }),
    },
  })
})

it('gives a join its events by type, and a step on any of several the type beside the data', () => {
  createSagaParticipant({
    ...parts,
    service: 'order',
    steps: {
      complete: (event, step) => step.emit('order.completed', event),
      reject: (event, step) => step.emit('order.rejected', { ...event, reason: 'no stock' }),
      cancel: (event, step) => step.emit('order.cancelled', event),
      settle: (events, step) => {
        expectTypeOf(events['stock.returned'].units).toBeNumber()
        expectTypeOf(events['payment.refunded'].pence).toBeNumber()
        step.emit('order.refunded', events['stock.returned'])
      },
    },
  })
  createSagaParticipant({
    ...parts,
    service: 'email',
    steps: {
      notify: (event, step) => {
        if (event.type === 'order.rejected') expectTypeOf(event.data.reason).toBeString()
        // @ts-expect-error only a rejected order has a reason
        void event.data.reason
        // @ts-expect-error the step emits nothing
        step.emit('order.completed', event.data)
      },
    },
  })
})

it('asks for a handler of each timeout and limit', () => {
  createSagaParticipant({
    ...parts,
    saga: tripSaga,
    eventBus: tripBus,
    service: 'trips',
    steps: {
      confirm: {
        run: (events, step) => step.emit('trip.booked', events['hotel.booked']),
        timedOut: (events, step) => {
          expectTypeOf(events['hotel.booked']?.room).toEqualTypeOf<number | undefined>()
          step.emit('trip.expired', { tripId: step.instance })
          // @ts-expect-error a timeout emits its own event only
          step.emit('trip.booked', { tripId: step.instance })
        },
      },
      giveUp: (event, step) => step.emit('trip.expired', event),
    },
  })
  createSagaParticipant({
    ...parts,
    saga: tripSaga,
    eventBus: tripBus,
    service: 'flights',
    steps: {
      // @ts-expect-error `exhausted` is missing
      bookFlight: { run: (event, step) => step.emit('flight.refused', event.data) },
      freeFlight: () => {},
    },
  })
})

it('wants the steps of its service, all of them and no others', () => {
  // @ts-expect-error `refund` is missing
  createSagaParticipant({ ...parts, service: 'payment', steps: { charge: () => {} } })
  createSagaParticipant({
    ...parts,
    service: 'email',
    // @ts-expect-error `charge` belongs to payment
    steps: { notify: () => {}, charge: () => {} },
  })
  // @ts-expect-error no such service
  createSagaParticipant({ ...parts, service: 'warehouse', steps: {} })
})

it('refuses declarations that name what is not there', () => {
  defineSaga(contract, {
    name: 'typos',
    // @ts-expect-error not in the contract
    starts: 'order.creatd',
    steps: {},
    ends: {},
  })
  defineSaga(contract, {
    name: 'typos',
    starts: 'order.created',
    steps: {
      // @ts-expect-error not in the contract
      one: { service: 'x', on: 'order.creatd' },
      // @ts-expect-error not in the contract
      two: { service: 'x', on: all('order.created', 'order.creatd') },
      // @ts-expect-error not in the contract
      three: { service: 'x', on: any('order.created', 'order.completed'), fails: 'order.failed' },
    },
    ends: {
      done: 'order.completed',
      // @ts-expect-error not in the contract
      undone: compensated('order.failed'),
    },
  })
  defineSaga(contract, {
    name: 'typos',
    starts: 'order.created',
    steps: {
      one: { service: 'x', on: 'order.created', emits: 'stock.reserved' },
      // @ts-expect-error there is no step `won`
      two: { service: 'x', on: 'stock.reserved', compensates: 'won' },
    },
    ends: {},
  })
})

it('correlates by what the awaited events have in common', () => {
  defineSaga(contract, {
    name: 'common',
    starts: 'order.created',
    correlate: event => event.orderId,
    steps: { one: { service: 'x', on: 'order.created', emits: 'order.completed' } },
    ends: { done: 'order.completed' },
  })
  defineSaga(contract, {
    name: 'common',
    starts: 'order.created',
    // @ts-expect-error only some of them have a total
    correlate: event => String(event.total),
    steps: { one: { service: 'x', on: any('order.created', 'order.completed') } },
    ends: {},
  })
})
