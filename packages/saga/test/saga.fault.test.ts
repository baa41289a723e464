import { isMekongError } from '@mekong/core'
import { type ChildProcess, startChildProcess } from '@mekong/stack'
import { describe, expect, inject, it } from 'vitest'
import { joinOrderSaga } from './order-services.ts'
import { openSagaDatabase, type SagaDatabase } from './saga-database.ts'

const nothing = { effect: 0, inbox: 0, instance: 0, journal: 0, timer: 0, outgoing: 0 }
const reserved = { effect: 1, inbox: 1, instance: 1, journal: 1, timer: 0, outgoing: 1 }

const startStep = (database: SagaDatabase, place: string): Promise<ChildProcess> =>
  startChildProcess(new URL('programs/reserve.ts', import.meta.url), { arguments: [database.url, place, 'o1'] })

describe.each(['begun', 'done', 'published'])('a step that is %s', place => {
  it('leaves nothing behind when its process is killed, and is whole once the event comes again', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    await using victim = await startStep(database, place)
    await victim.signal('in step')
    await victim.kill()
    expect(await database.counts()).toEqual(nothing)
    await deliverUntilFree(database)
    expect(await database.counts()).toEqual(reserved)
  })

  it('is not done a second time by a process that stood still and wakes', async () => {
    await using database = await openSagaDatabase(inject('postgresUrl'))
    await using zombie = await startStep(database, place)
    await zombie.signal('in step')
    await zombie.pause()
    await deliverUntilFree(database)
    await zombie.resume()
    zombie.tell('go on')
    expect(await zombie.signal('ended')).toBe('STORE_UNAVAILABLE')
    expect(await database.counts()).toEqual(reserved)
  })
})

/** As a bus does: an event that is BUSY, because the transaction of another process has it, comes again. */
async function deliverUntilFree(database: SagaDatabase): Promise<void> {
  const inventory = joinOrderSaga('inventory', database)
  const event = { id: 'o1', type: 'order.created', data: { orderId: 'o1', total: 10 }, correlationId: 'o1' }
  for (let isBusy = true; isBusy;) {
    isBusy = await inventory.deliver(event).then(() => false, wasBusy)
  }
}

function wasBusy(error: unknown): true {
  if (isMekongError(error) && error.code === 'BUSY') return true
  throw error
}
