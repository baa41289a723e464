import type { LeasedEvent, ScheduledEvent, ScheduleStore } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import { postgresSchedule } from '../src/index.ts'
import { testDatabase } from './database.ts'

function scheduled(id: string, dueAt: number): ScheduledEvent {
  const event = {
    id,
    type: 'order.created',
    topic: 'orders',
    key: undefined,
    headers: { 'ce-id': id, 'x-odd': '\0' },
    body: new Uint8Array([0, 1, 255]),
  }
  return { event, dueAt }
}

const idsOf = (events: readonly LeasedEvent[]): readonly string[] => events.map(({ event }) => event.id)
const lease = (store: ScheduleStore, owner: string, leaseMs = 60_000): Promise<readonly LeasedEvent[]> =>
  store.leaseDue({ owner, leaseMs, limit: 2 })

describe('postgresSchedule', () => {
  it('gives due events, oldest first and as they were, to one owner each', async () => {
    await using database = await testDatabase({ maxUses: 1 })
    const store = postgresSchedule(database)
    const future = Date.now() + 3_600_000
    await store.add([scheduled('c', 2), scheduled('a', 1), scheduled('b', 1), scheduled('later', future)])
    await store.add([scheduled('a', 5)])
    const first = await lease(store, 'one')
    expect(first[0]).toEqual({
      ...scheduled('a', 1),
      event: { ...scheduled('a', 1).event, body: Buffer.from([0, 1, 255]) },
      owner: 'one',
      fence: 1,
    })
    expect(idsOf(first)).toEqual(['a', 'b'])
    const second = await lease(store, 'two')
    expect(idsOf(second)).toEqual(['c'])
    await store.delete([...first, ...second])
    expect(await store.nextDueAt()).toBe(future)
    expect(await lease(store, 'one')).toEqual([])
  })

  it('leases an event again when its lease has run out, and then ignores the first owner', async () => {
    await using database = await testDatabase({ maxUses: 1 })
    const store = postgresSchedule(database)
    await store.add([scheduled('a', 1)])
    const zombie = await lease(store, 'zombie', 1)
    let taken: readonly LeasedEvent[] = []
    while (taken.length === 0) taken = await lease(store, 'heir')
    expect(taken[0]!.fence).toBeGreaterThan(zombie[0]!.fence)
    await store.delete(zombie)
    expect(await store.nextDueAt()).toBeGreaterThan(Date.now())
    await store.delete(taken)
    expect(await store.nextDueAt()).toBeUndefined()
  })
})
