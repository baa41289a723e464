import { defineContract } from '@mekong/core'
import { z } from 'zod'
import { all, any, compensated, defineSaga } from '../src/index.ts'

const trip = z.object({ tripId: z.string() })

export const contract = defineContract({
  'trip.requested': { key: e => e.tripId, schema: trip },
  'trip.booked': { key: e => e.tripId, schema: trip },
  'trip.expired': { key: e => e.tripId, schema: trip },
  'hotel.booked': { key: e => e.tripId, schema: trip.extend({ room: z.number() }) },
  'flight.booked': { key: e => e.tripId, schema: trip.extend({ seat: z.string() }) },
  'flight.abandoned': { key: e => e.tripId, schema: trip },
  'flight.refused': { key: e => e.tripId, schema: trip },
})

/** A saga with everything that the order saga has no use for: a timeout, a loop with a limit, both as a join. */
export const tripSaga = defineSaga(contract, {
  name: 'trip',
  starts: 'trip.requested',
  steps: {
    bookHotel: { service: 'hotels', on: 'trip.requested', emits: 'hotel.booked' },
    bookFlight: {
      service: 'flights',
      on: any('trip.requested', 'flight.refused'),
      emits: 'flight.booked',
      fails: 'flight.refused',
      limit: { runs: 2, emits: 'flight.abandoned' },
    },
    confirm: {
      service: 'trips',
      on: all('hotel.booked', 'flight.booked'),
      emits: 'trip.booked',
      timeout: { afterMs: 15 * 60_000, emits: 'trip.expired' },
    },

    giveUp: { service: 'trips', on: 'flight.abandoned', emits: 'trip.expired' },
    freeHotel: { service: 'hotels', on: all('hotel.booked', 'trip.expired'), compensates: 'bookHotel' },
    freeFlight: { service: 'flights', on: all('flight.booked', 'trip.expired'), compensates: 'bookFlight' },
  },
  ends: { booked: 'trip.booked', expired: compensated('trip.expired') },
})
