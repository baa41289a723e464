import { postgresInbox } from '@mekong/postgres'
import { expect, inject, it } from 'vitest'
import { Crash, crashingSql } from './failing-sql.ts'
import { joinOrderSaga } from './order-services.ts'
import { openSagaDatabase, type SagaDatabase, type StoredEvent } from './saga-database.ts'
import { joinTripSaga, letTimePass, tripEvent, tripSteps } from './trip-services.ts'

const created: StoredEvent = {
  id: 'e1',
  type: 'order.created',
  data: { orderId: 'o1', total: 10 },
  correlationId: 'c1',
}
const nothing = { effect: 0, inbox: 0, instance: 0, journal: 0, timer: 0, outgoing: 0 }
const reserved = { effect: 1, inbox: 1, instance: 1, journal: 1, timer: 0, outgoing: 1 }

it('leaves all of a step or nothing of it, wherever it breaks off, and the next delivery makes it whole', async () => {
  await using database = await openSagaDatabase(inject('postgresUrl'))
  const places = await breakEverywhere(
    database,
    async broken => {
      await joinOrderSaga('inventory', broken).deliver(created)
    },
    async () => {
      expect([nothing, reserved]).toContainEqual(await database.counts())
      await joinOrderSaga('inventory', database).deliver(created)
      expect(await database.counts()).toEqual(reserved)
    },
  )
  expect(places).toBeGreaterThanOrEqual(10)
})

it('fires a timeout wholly or not at all, wherever it breaks off, and once in the end', async () => {
  await using database = await openSagaDatabase(inject('postgresUrl'))
  const waiting = { effect: 0, inbox: 1, instance: 1, journal: 1, timer: 1, outgoing: 0 }
  const timedOut = { effect: 1, inbox: 1, instance: 1, journal: 2, timer: 0, outgoing: 1 }
  const places = await breakEverywhere(
    database,
    async broken => {
      await joinTripSaga('trips', database, tripSteps).deliver(tripEvent('hotel.booked'))
      await letTimePass(database)
      const trips = joinTripSaga('trips', broken, tripSteps)
      await trips.participant.runDueTimeouts()
      const failure = trips.signals.find(signal => signal.is === 'timeout-failed')
      if (failure !== undefined) throw failure.error
    },
    async () => {
      expect([waiting, timedOut]).toContainEqual(await database.counts())
      await letTimePass(database)
      await joinTripSaga('trips', database, tripSteps).participant.runDueTimeouts()
      expect(await database.counts()).toEqual(timedOut)
    },
  )
  expect(places).toBeGreaterThanOrEqual(10)
})

/** Runs the work once for each place at which it can break, on empty tables each time. Resolves with their number. */
async function breakEverywhere(
  database: SagaDatabase,
  work: (broken: SagaDatabase) => Promise<void>,
  repair: () => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at++) {
    const { sql, places } = crashingSql(database.sql, at)
    const crashed = await work({ ...database, sql, inbox: postgresInbox({ sql }) }).then(
      () => false,
      error => {
        if (error instanceof Crash) return true
        throw error
      },
    )
    await repair()
    if (!crashed && places() < at) return places()
    await database.sql.query(
      'truncate mekong.effect, mekong.inbox, mekong.saga_instance, mekong.saga_journal, mekong.saga_timer, mekong.outgoing',
    )
  }
}
