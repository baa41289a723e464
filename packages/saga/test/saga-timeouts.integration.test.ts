import { postgresInbox } from '@mekong/postgres'
import { describe, expect, inject, it } from 'vitest'
import { createSagaParticipant, sagaTimeline } from '../src/index.ts'
import { handBus } from './hand-bus.ts'
import { openSagaDatabase, openSql } from './saga-database.ts'
import { tripSaga } from './trip-saga.ts'
import { flightSteps, joinTripSaga, letTimePass, tripEvent, tripSteps } from './trip-services.ts'

describe('a timeout', () => {
  it('fires when a join waits too long, with what is there, and closes the step', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const trips = joinTripSaga('trips', database, tripSteps)
    await trips.deliver(tripEvent('hotel.booked'))
    expect(await database.counts()).toMatchObject({ timer: 1, outgoing: 0 })
    expect(await trips.participant.runDueTimeouts()).toBe(0)
    await letTimePass(database)
    expect(await trips.participant.runDueTimeouts()).toBe(1)
    await trips.deliver(tripEvent('flight.booked'))
    expect(await trips.participant.runDueTimeouts()).toBe(0)
    expect(await database.outgoing()).toMatchObject([
      { type: 'trip.expired', data: { tripId: 't1' }, correlationId: 't1' },
    ])
    const timeline = await sagaTimeline(database.sql, { instance: 't1' })
    expect(timeline.map(({ event, action, outcome }) => [event?.type, action, outcome])).toEqual([
      ['hotel.booked', 'wait', undefined],
      [undefined, 'time-out', 'timed-out'],
      ['flight.booked', 'surplus', undefined],
    ])
  })

  it('is disarmed when the step runs in time', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const trips = joinTripSaga('trips', database, tripSteps)
    await trips.deliver(tripEvent('hotel.booked'))
    await trips.deliver(tripEvent('flight.booked'))
    expect(await database.counts()).toMatchObject({ timer: 0, outgoing: 1 })
  })

  it('fires once with two runners at the same time', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const second = openSql(database.url)
    const trips = [
      joinTripSaga('trips', database, tripSteps),
      joinTripSaga('trips', { ...database, sql: second.sql, inbox: postgresInbox({ sql: second.sql }) }, tripSteps),
    ]
    for (let trip = 0; trip < 100; trip++) await trips[0]!.deliver(tripEvent('hotel.booked', `t${trip}`))
    await letTimePass(database)
    const fired = await Promise.all(trips.map(({ participant }) => participant.runDueTimeouts()))
    expect(fired[0]! + fired[1]!).toBe(100)
    expect(await database.counts()).toMatchObject({ effect: 100, timer: 0, outgoing: 100 })
    await second.end()
  })

  it('and the event it waits for exclude each other when they come at the same moment', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const trips = joinTripSaga('trips', database, tripSteps)
    const ids = Array.from({ length: 30 }, (_, trip) => `t${trip}`)
    for (const id of ids) await trips.deliver(tripEvent('hotel.booked', id))
    await letTimePass(database)
    await Promise.all([
      trips.participant.runDueTimeouts(),
      ...ids.map(id => trips.deliver(tripEvent('flight.booked', id))),
    ])
    await trips.participant.runDueTimeouts()
    const outgoing = await database.outgoing()
    expect(outgoing.map(({ correlationId }) => correlationId).toSorted()).toEqual(ids.toSorted())
    expect(await database.counts()).toMatchObject({ timer: 0 })
  })

  it('whose handler fails leaves nothing behind, stays armed and is tried again later', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    let failures = 2
    const trips = joinTripSaga('trips', database, {
      ...tripSteps,
      confirm: {
        ...tripSteps.confirm,
        timedOut: async (event, step) => {
          await tripSteps.confirm.timedOut(event, step)
          if (failures-- > 0) throw new Error('not now')
        },
      },
    })
    await trips.deliver(tripEvent('hotel.booked'))
    for (const attempt of [1, 2]) {
      await letTimePass(database)
      expect(await trips.participant.runDueTimeouts()).toBe(0)
      expect(trips.signals.at(-1)).toMatchObject({ is: 'timeout-failed', step: 'confirm', instance: 't1' })
      const [timer] = await database.sql.query(
        'select attempts, due_at > clock_timestamp() as later from mekong.saga_timer',
      )
      expect(timer).toEqual({ attempts: attempt, later: true })
      expect(await database.counts()).toMatchObject({ effect: 0, outgoing: 0 })
    }
    await letTimePass(database)
    expect(await trips.participant.runDueTimeouts()).toBe(1)
    expect((await sagaTimeline(database.sql, { instance: 't1' })).at(-1)).toMatchObject({
      action: 'time-out',
      attempt: 3,
    })
  })

  it('is found without being asked for', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const trips = handBus('trips')
    const { sql, inbox, outbox } = database
    let fired = (_: string): void => {}
    const instance = new Promise<string>(resolve => (fired = resolve))
    await using _participant = createSagaParticipant({
      saga: tripSaga,
      service: 'trips',
      eventBus: trips.bus,
      sql,
      inbox,
      outbox,
      steps: tripSteps,
      timeouts: { pollMs: 5 },
      observe: signal => {
        if (signal.is === 'step' && signal.action === 'time-out') fired(signal.instance)
      },
    })
    await trips.deliver(tripEvent('hotel.booked'))
    await letTimePass(database)
    expect(await instance).toBe('t1')
  })
})

describe('a limit', () => {
  it('bounds a loop: so many runs, then `exhausted` once', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const flights = joinTripSaga('flights', database, flightSteps)
    await flights.deliver(tripEvent('trip.requested'))
    for (let round = 0; round < 4; round++) {
      const refused = (await database.outgoing()).filter(({ type }) => type === 'flight.refused')
      for (const event of refused) await flights.deliver(event)
    }
    const effects = await database.sql.query<{ step: string }>('select step from mekong.effect')
    expect(effects.map(({ step }) => step)).toEqual(['run 1', 'run 2', 'exhausted'])
    expect((await database.outgoing()).map(({ type }) => type)).toEqual([
      'flight.refused',
      'flight.refused',
      'flight.abandoned',
    ])
  })
})
