import { expect, inject, it } from 'vitest'
import { pruneSagas, sagaTimeline, stuckSagas } from '../src/index.ts'
import { joinOrderSaga } from './order-services.ts'
import { orderSaga } from './order-saga.ts'
import { openSagaDatabase, type SagaDatabase, type StoredEvent } from './saga-database.ts'
import { joinTripSaga, tripEvent, tripSteps } from './trip-services.ts'

const created = (orderId: string): StoredEvent => ({
  id: `created ${orderId}`,
  type: 'order.created',
  data: { orderId, total: 10 },
  correlationId: orderId,
})

/** Lets everything that has happened so far have happened an hour ago. */
async function letAnHourPass({ sql }: SagaDatabase): Promise<void> {
  await sql.query(`update mekong.saga_instance set last_at = last_at - interval '1 hour'`)
}

it('finds what stands still, and says where; not what has ended, nor what is on its way', async () => {
  await using inventory = await openSagaDatabase(inject('postgresUrl'))
  await using order = await openSagaDatabase(inject('postgresUrl'))
  const reserving = joinOrderSaga('inventory', inventory)
  const completing = joinOrderSaga('order', order)
  for (const id of ['stuck', 'ended', 'moving']) await reserving.deliver(created(id))
  await letAnHourPass(inventory)
  for (const orderId of ['ended', 'moving']) {
    const type = orderId === 'ended' ? 'payment.charged' : 'stock.returned'
    await completing.deliver({ id: orderId, type, data: { orderId, units: 1 }, correlationId: orderId })
  }
  const sources = { inventory, order }
  const stuck = await stuckSagas(sources, { saga: orderSaga, idleMs: 60_000 })
  expect(stuck).toEqual([{ instance: 'stuck', lastAt: expect.any(Number), lastService: 'inventory' }])
  expect(await stuckSagas(sources, { saga: orderSaga, idleMs: 7_200_000 })).toEqual([])
})

it('finds what stands still behind any number of instances whose end another service saw', async () => {
  await using inventory = await openSagaDatabase(inject('postgresUrl'))
  await using order = await openSagaDatabase(inject('postgresUrl'))
  const reserving = joinOrderSaga('inventory', inventory)
  const completing = joinOrderSaga('order', order)
  for (const orderId of ['o1', 'o2', 'o3', 'o4', 'o5']) {
    await reserving.deliver(created(orderId))
    await completing.deliver({ id: orderId, type: 'payment.charged', data: { orderId }, correlationId: orderId })
  }
  await reserving.deliver(created('stuck'))
  await letAnHourPass(inventory)
  await letAnHourPass(order)
  const stuck = await stuckSagas({ inventory, order }, { saga: orderSaga, idleMs: 60_000, limit: 2 })
  expect(stuck).toMatchObject([{ instance: 'stuck' }])
})

it('forgets what has been idle for long, with its journal, and nothing else', async () => {
  await using database = await openSagaDatabase(inject('postgresUrl'))
  const { sql } = database
  const inventory = joinOrderSaga('inventory', database)
  await inventory.deliver(created('old'))
  await joinTripSaga('trips', database, tripSteps).deliver(tripEvent('hotel.booked', 'waiting'))
  await letAnHourPass(database)
  await inventory.deliver(created('new'))
  expect(await pruneSagas(sql, { olderThanMs: 60_000 })).toBe(1)
  expect(await sagaTimeline(sql, { instance: 'old' })).toEqual([])
  expect(await sagaTimeline(sql, { instance: 'new' })).toHaveLength(1)
  expect(await database.counts()).toMatchObject({ instance: 2, journal: 2, timer: 1 })
})
