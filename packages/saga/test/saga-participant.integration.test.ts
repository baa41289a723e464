import { inject, describe, expect, it } from 'vitest'
import { createSagaParticipant, mergeTimelines, sagaTimeline } from '../src/index.ts'
import { handBus } from './hand-bus.ts'
import { orderSaga } from './order-saga.ts'
import { joinOrderSaga, orderSteps, type RunningService } from './order-services.ts'
import { effect, openSagaDatabase, type SagaDatabase, type StoredEvent } from './saga-database.ts'

const created = (total: number): StoredEvent => ({
  id: 'e1',
  type: 'order.created',
  data: { orderId: 'o1', total },
  correlationId: 'c1',
})
const returned: StoredEvent = { id: 'e1', type: 'return.requested', data: { orderId: 'o1' }, correlationId: 'c1' }

describe('a saga of four services', () => {
  it.each([
    ['completes', created(10), ['reserve', 'charge', 'dispatch', 'notify order.completed']],
    [
      'is cancelled, and what was reserved is released',
      created(1000),
      ['reserve', 'release', 'notify order.cancelled'],
    ],
    ['refunds', returned, ['restock', 'refund', 'settle 3 units, 500 pence', 'notify order.refunded']],
  ])('%s', async (_, first, effects) => {
    await using services = await openServices()
    await services.settle(first)
    expect((await services.effects()).toSorted()).toEqual(effects.toSorted())
  })

  it('does everything once when everything comes three times', async () => {
    await using services = await openServices()
    await services.settle(created(10), 3)
    expect((await services.effects()).toSorted()).toEqual(['charge', 'dispatch', 'notify order.completed', 'reserve'])
  })

  it('leaves a timeline in each service, which together tell the whole story', async () => {
    await using services = await openServices()
    await services.settle(created(1000), 2)
    const story = mergeTimelines(await services.timelines('o1'))
    const lines = story.map(({ service, step, event, outcome, emitted, duplicates }) =>
      [event?.type, service, step, outcome, ...emitted, duplicates].join(' '),
    )
    expect(lines).toEqual([
      'order.created inventory reserve success stock.reserved 1',
      'stock.reserved payment charge failure payment.declined 1',
      'payment.declined inventory release success stock.released 1',
      'stock.released order cancel success order.cancelled 1',
      'order.cancelled email notify success 1',
    ])
  })
})

describe('a participant', () => {
  it('subscribes to what its own steps await, and to nothing else', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    expect(joinOrderSaga('payment', database).subscriptions).toEqual([
      'order.charge:stock.reserved',
      'order.refund:return.requested',
    ])
    expect(joinOrderSaga('order', database).subscriptions).toContain('order.settle:stock.returned')
  })

  it('refuses a bus of another service, a saga that cannot work, and handlers that do not fit', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const { sql, inbox, outbox } = database
    const parts = { saga: orderSaga, service: 'email', sql, inbox, outbox, steps: orderSteps.email } as const
    expect(() => createSagaParticipant({ ...parts, eventBus: handBus('order').bus })).toThrow(
      /the event bus is that of "order"/,
    )
    const eventBus = handBus('email').bus
    // @ts-expect-error a step is missing
    expect(() => createSagaParticipant({ ...parts, eventBus, steps: {} })).toThrow(/the step "notify" needs a handler/)
    const stranger = { ...orderSteps.email, charge: () => {} }
    // A variable is not checked for too much.
    expect(() => createSagaParticipant({ ...parts, eventBus, steps: stranger })).toThrow(
      /"charge" is not a step of the service "email"/,
    )
    const ends = { ...orderSaga.ends, never: 'stock.lost' }
    expect(() => createSagaParticipant({ ...parts, eventBus, saga: { ...orderSaga, ends } })).toThrow(
      expect.objectContaining({ code: 'SAGA_INVALID' }),
    )
  })

  it('commits effect, state, inbox and outgoing events together', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    await joinOrderSaga('inventory', database).deliver(created(10))
    expect(await database.counts()).toEqual({ effect: 1, inbox: 1, instance: 1, journal: 1, timer: 0, outgoing: 1 })
    expect(await database.outgoing()).toEqual([
      {
        id: 'e1>order.reserve:order.created>stock.reserved',
        type: 'stock.reserved',
        data: { orderId: 'o1', total: 10 },
        correlationId: 'c1',
      },
    ])
  })

  it.each([
    ['emits nothing', [], /"reserve" ended and emitted nothing: declared is "stock.reserved", or "stock.rejected"/],
    [
      'emits what another step declares',
      ['stock.released'],
      /"reserve" emitted "stock.released", which it does not declare/,
    ],
    ['emits twice', ['stock.reserved', 'stock.reserved'], /emitted "stock.reserved" twice/],
    [
      'emits success and failure',
      ['stock.reserved', 'stock.rejected'],
      /ended and emitted "stock.reserved" and "stock.rejected"/,
    ],
  ])('leaves nothing behind when a step %s', async (_, types, message) => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const inventory = joinOrderSaga('inventory', database, {
      ...orderSteps.inventory,
      reserve: async (event, step) => {
        await effect('reserve', step)
        for (const type of types) step.emit(type as 'stock.reserved', event)
      },
    })
    await expect(inventory.deliver(created(10))).rejects.toThrow(
      expect.objectContaining({ code: 'SAGA_STATE_CONFLICT', message: expect.stringMatching(message) }),
    )
    expect(await database.counts()).toEqual({ effect: 0, inbox: 0, instance: 0, journal: 0, timer: 0, outgoing: 0 })
  })

  it('refuses what is emitted when the step is over', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    let late: (() => void) | undefined
    const inventory = joinOrderSaga('inventory', database, {
      ...orderSteps.inventory,
      reserve: (event, step) => {
        late = () => step.emit('stock.rejected', event)
        step.emit('stock.reserved', event)
      },
    })
    await inventory.deliver(created(10))
    expect(late).toThrow(/emitted "stock.rejected" after it had ended: an await is missing/)
  })

  it('does nothing twice when the inbox has forgotten', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const inventory = joinOrderSaga('inventory', database)
    await inventory.deliver(created(10))
    await database.sql.query('delete from mekong.inbox')
    await inventory.deliver(created(10))
    await inventory.deliver({ ...created(10), id: 'published anew' })
    const timeline = await sagaTimeline(database.sql, { instance: 'o1' })
    expect(timeline.map(({ action, emitted }) => [action, ...emitted])).toEqual([
      ['run', 'stock.reserved'],
      ['surplus'],
      ['surplus'],
    ])
    expect(await database.counts()).toMatchObject({ effect: 1, outgoing: 1 })
  })
})

describe('a join', () => {
  const halves: readonly StoredEvent[] = [
    { id: 's', type: 'stock.returned', data: { orderId: 'o1', units: 3 }, correlationId: 'c1' },
    { id: 'p', type: 'payment.refunded', data: { orderId: 'o1', pence: 500 }, correlationId: 'c1' },
  ]

  it.each([
    ['one after the other', halves],
    ['the other way round', halves.toReversed()],
    ['each more than once', [halves[1]!, halves[1]!, halves[0]!, halves[1]!, halves[0]!]],
  ])('waits for all of its events, and runs once: %s', async (_, events) => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const order = joinOrderSaga('order', database)
    for (const event of events) await order.deliver(event)
    expect((await database.outgoing()).map(({ type }) => type)).toEqual(['order.refunded'])
    expect(await database.counts()).toMatchObject({ effect: 1, inbox: 2, instance: 1 })
  })

  it('runs once when its events arrive at the same moment, in two processes', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const [one, other] = [joinOrderSaga('order', database), joinOrderSaga('order', database)]
    const instances = Array.from({ length: 20 }, (_, index) => `o${index}`)
    const sent = instances.flatMap(orderId =>
      halves.map((half, index) => {
        const event = { ...half, id: `${half.id} ${orderId}`, data: { ...half.data, orderId } }
        return (index === 0 ? one : other).deliver(event)
      }),
    )
    await Promise.all(sent)
    expect(await database.counts()).toMatchObject({ effect: 20, inbox: 40, instance: 20, outgoing: 20 })
  })

  it('refuses to keep what would come back as something else', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    const order = joinOrderSaga('order', database)
    const event = { ...halves[0]!, data: { orderId: 'o1', units: 3, since: new Date(0) } }
    await expect(order.deliver(event)).rejects.toThrow(
      expect.objectContaining({ code: 'INVALID_DATA', message: expect.stringContaining('cannot keep since as it is') }),
    )
    expect(await database.counts()).toMatchObject({ inbox: 0, instance: 0 })
  })
})

interface OpenServices extends AsyncDisposable {
  /** Delivers the event and all that follow from it, each so many times, until nothing new is in any outbox. */
  settle(first: StoredEvent, times?: number): Promise<void>
  effects(): Promise<readonly string[]>
  timelines(instance: string): Promise<Readonly<Record<string, Awaited<ReturnType<typeof sagaTimeline>>>>>
}

async function openServices(): Promise<OpenServices> {
  const names = ['inventory', 'payment', 'order', 'email'] as const
  const databases = await Promise.all(names.map(() => openSagaDatabase(inject('postgresUrl'))))
  const of = (index: number): SagaDatabase => databases[index]!
  const services: readonly RunningService[] = names.map((name, index) => joinOrderSaga(name, of(index)))
  return {
    async settle(first, times = 1) {
      const settled = new Set<string>()
      for (let events: readonly StoredEvent[] = [first]; events.length > 0;) {
        for (const event of events) {
          settled.add(event.id)
          for (let time = 0; time < times; time++) for (const service of services) await service.deliver(event)
        }
        const stored = (await Promise.all(databases.map(database => database.outgoing()))).flat()
        events = stored.filter(({ id }) => !settled.has(id))
      }
    },
    async effects() {
      const rows = await Promise.all(
        databases.map(({ sql }) => sql.query<{ step: string }>('select step from mekong.effect')),
      )
      return rows.flat().map(({ step }) => step)
    },
    async timelines(instance) {
      const entries = names.map(async (name, index) => [name, await sagaTimeline(of(index).sql, { instance })] as const)
      return Object.fromEntries(await Promise.all(entries))
    },
    [Symbol.asyncDispose]: async () => {
      for (const database of databases) await database[Symbol.asyncDispose]()
    },
  }
}
