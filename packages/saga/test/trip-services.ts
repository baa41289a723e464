import { createSagaParticipant, type SagaParticipant, type SagaSignal, type StepHandlers } from '../src/index.ts'
import { type HandBus, handBus } from './hand-bus.ts'
import { effect, type SagaDatabase, type StoredEvent } from './saga-database.ts'
import { tripSaga } from './trip-saga.ts'

export const tripSteps: StepHandlers<typeof tripSaga, 'trips'> = {
  confirm: {
    run: async (events, step) => {
      await effect('confirm', step)
      step.emit('trip.booked', { tripId: events['hotel.booked'].tripId })
    },
    timedOut: async (events, step) => {
      await effect(`timed out with ${Object.keys(events).join()}`, step)
      step.emit('trip.expired', { tripId: step.instance })
    },
  },
  giveUp: (event, step) => step.emit('trip.expired', event),
}

export const flightSteps: StepHandlers<typeof tripSaga, 'flights'> = {
  bookFlight: {
    run: async (event, step) => {
      await effect(`run ${step.run}`, step)
      step.emit('flight.refused', { tripId: event.data.tripId })
    },
    exhausted: async (event, step) => {
      await effect('exhausted', step)
      step.emit('flight.abandoned', { tripId: event.data.tripId })
    },
  },
  freeFlight: () => {},
}

export interface TripService extends HandBus {
  readonly participant: SagaParticipant
  readonly signals: readonly SagaSignal[]
}

/** Joins the trip saga; timeouts fire when the test says so. */
export function joinTripSaga<S extends 'trips' | 'flights'>(
  service: S,
  database: Pick<SagaDatabase, 'sql' | 'inbox' | 'outbox'>,
  steps: StepHandlers<typeof tripSaga, S>,
): TripService {
  const bus = handBus(service)
  const { sql, inbox, outbox } = database
  const signals: SagaSignal[] = []
  const participant = createSagaParticipant({
    saga: tripSaga,
    service,
    eventBus: bus.bus,
    sql,
    inbox,
    outbox,
    steps,
    timeouts: { pollMs: 2_000_000_000 },
    observe: signal => void signals.push(signal),
  })
  return Object.assign(bus, { participant, signals })
}

export function tripEvent(type: keyof typeof tripSaga.contract, tripId = 't1'): StoredEvent {
  return { id: `${type} ${tripId}`, type, data: { tripId, room: 1, seat: '1A' }, correlationId: tripId }
}

/** Lets the time of every armed timeout be over. */
export async function letTimePass({ sql }: Pick<SagaDatabase, 'sql'>): Promise<void> {
  await sql.query(`update mekong.saga_timer set due_at = clock_timestamp() - interval '1 second'`)
}
