import { createEventBus } from '@mekong/core'
import { createOutbox, createRelay, outboxMigrations } from '@mekong/outbox'
import { migrate, postgresInbox, postgresMigrations } from '@mekong/postgres'
import { freshDatabase } from '@mekong/stack'
import { expect, inject, it } from 'vitest'
import { createSagaParticipant, mergeTimelines, sagaMigrations, sagaTimeline, type SagaSignal } from '../src/index.ts'
import { contract, orderSaga } from './order-saga.ts'
import { openSql } from './saga-database.ts'

it('runs over a bus, with an outbox and a relay in each service, from the first event to the last', async () => {
  await using database = await freshDatabase(inject('postgresUrl'))
  const { sql, end } = openSql(database.url)
  const notified = new Map<string, () => void>()
  const allNotified = Promise.all(
    ['small', 'large', 'none'].map(id => new Promise<void>(resolve => notified.set(id, resolve))),
  )
  const broker = `memory://saga-${database.name}`
  const open = async <S extends 'inventory' | 'payment' | 'order' | 'email'>(
    service: S,
    steps: Parameters<typeof createSagaParticipant<typeof orderSaga, S>>[0]['steps'],
  ) => {
    const schema = service
    await migrate(sql, [...postgresMigrations, ...outboxMigrations(), ...sagaMigrations], { schema })
    const eventBus = await createEventBus({ service, contract, broker })
    const outbox = createOutbox({ source: service, contract, schema })
    const inbox = postgresInbox({ sql, schema })
    const observe = (signal: SagaSignal): void => {
      if (signal.is === 'step' && signal.step === 'notify') notified.get(signal.instance)?.()
    }
    createSagaParticipant({ saga: orderSaga, service, eventBus, sql, schema, inbox, outbox, steps, observe })
    await eventBus.start()
    const relay = createRelay({ sql, schema, eventBus, wakeOn: [outbox] })
    await relay.start()
    const close = async (): Promise<void> => {
      await relay.close()
      await eventBus.close()
    }
    return { outbox, close }
  }
  const services = [
    await open('email', { notify: () => {} }),
    await open('payment', {
      charge: ({ orderId, total }, step) =>
        total > 100
          ? step.emit('payment.declined', { orderId, reason: 'limit' })
          : step.emit('payment.charged', { orderId }),
      refund: (event, step) => step.emit('payment.refunded', { ...event, pence: 1 }),
    }),
    await open('inventory', {
      reserve: (event, step) =>
        event.orderId === 'none' ? step.emit('stock.rejected', event) : step.emit('stock.reserved', event),
      dispatch: () => {},
      release: ({ orderId }, step) => step.emit('stock.released', { orderId }),
      restock: (event, step) => step.emit('stock.returned', { ...event, units: 1 }),
    }),
    await open('order', {
      complete: (event, step) => step.emit('order.completed', event),
      reject: (event, step) => step.emit('order.rejected', { ...event, reason: 'no stock' }),
      cancel: (event, step) => step.emit('order.cancelled', event),
      settle: (events, step) => step.emit('order.refunded', events['stock.returned']),
    }),
  ]
  const { outbox } = services[3]!
  await sql.transaction(async tx => {
    await outbox.publish(tx, 'order.created', { orderId: 'small', total: 10 })
    await outbox.publish(tx, 'order.created', { orderId: 'large', total: 1000 })
    await outbox.publish(tx, 'order.created', { orderId: 'none', total: 10 })
  })
  await allNotified
  const story = async (instance: string): Promise<readonly string[]> => {
    const names = ['inventory', 'payment', 'order', 'email']
    const timelines = names.map(async schema => [schema, await sagaTimeline(sql, { schema, instance })] as const)
    return mergeTimelines(Object.fromEntries(await Promise.all(timelines))).map(({ step }) => step)
  }
  expect(await story('small')).toEqual(expect.arrayContaining(['reserve', 'charge', 'complete', 'notify']))
  expect(await story('large')).toEqual(['reserve', 'charge', 'release', 'cancel', 'notify'])
  expect(await story('none')).toEqual(['reserve', 'reject', 'notify'])
  for (const { close } of services) await close()
  await end()
})
