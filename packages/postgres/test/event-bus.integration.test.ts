import { createEventBus, type Signal } from '@mekong/core'
import { expect, it } from 'vitest'
import { postgresHold, postgresInbox, postgresSchedule } from '../src/index.ts'
import { testDatabase } from './database.ts'

/** Resolves with the n-th signal that is so, past or to come. */
function signals(): {
  observe: (signal: Signal) => void
  when: (isIt: (signal: Signal) => boolean, times?: number) => Promise<void>
} {
  const seen: Signal[] = []
  const waiting = new Set<() => void>()
  return {
    observe(signal) {
      seen.push(signal)
      for (const look of waiting) look()
    },
    when: (isIt, times = 1) =>
      new Promise(resolve => {
        const look = (): void => {
          if (seen.filter(isIt).length < times) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
}

it('parks a key behind its dead event, runs it in order after a redrive, and applies each event once', async () => {
  await using database = await testDatabase()
  const { sql } = database
  await sql.query('create table effect (id serial, key text, n int)')
  const inbox = postgresInbox({ sql })
  const { observe, when } = signals()
  await using eventBus = await createEventBus({
    service: 'inventory',
    broker: 'memory:',
    hold: postgresHold({ sql }),
    schedule: postgresSchedule({ sql }),
    consume: { holdPollMs: 20 },
    observe,
  })
  let isBroken = true
  eventBus.subscribe(
    'order.created',
    inbox.handler(async (event: { n: number }, context, tx) => {
      await tx.query('insert into effect (key, n) values ($1, $2)', [context.key, event.n])
      if (isBroken && context.key === 'bad' && event.n === 1) throw new Error('no stock yet')
    }),
    { retry: { maxAttempts: 3, immediate: 1, delayMs: 10 } },
  )
  await eventBus.start()
  for (const n of [1, 2, 3]) {
    for (const key of ['bad', 'good']) await eventBus.publish('order.created', { n }, { key })
  }
  await when(signal => signal.is === 'held' && signal.state === 'dead')
  await when(signal => signal.is === 'completed', 3)
  await when(signal => signal.is === 'held' && signal.state === 'parked', 2)
  const { events } = await eventBus.held.list()
  expect(events.map(event => event.state)).toEqual(['dead', 'parked', 'parked'])
  expect(events[0]).toMatchObject({ attempts: 3, reason: { message: 'no stock yet' } })
  expect(await sql.query('select key, n from effect order by id')).toEqual([1, 2, 3].map(n => ({ key: 'good', n })))

  isBroken = false
  expect(await eventBus.held.redrive()).toBe(1)
  await when(signal => signal.is === 'unparked')
  const rows = await sql.query(`select key, n from effect where key = 'bad' order by id`)
  expect(rows).toEqual([1, 2, 3].map(n => ({ key: 'bad', n })))
  expect((await eventBus.held.list()).events).toEqual([])
})
