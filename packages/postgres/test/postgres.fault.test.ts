import { isMekongError } from '@mekong/core'
import { type ChildProcess, startChildProcess } from '@mekong/stack'
import { describe, expect, it } from 'vitest'
import { type FencedLease, fencedLeases, postgresInbox } from '../src/index.ts'
import { testDatabase, type TestDatabase } from './database.ts'

const startHandler = (database: TestDatabase, event: string): Promise<ChildProcess> =>
  startChildProcess(new URL('processes/inbox-handler.ts', import.meta.url), { arguments: [database.url, event] })

/** Handles the event as its new owner does, again after each BUSY; resolves with how often it was. */
async function takeOver(database: TestDatabase, event: string): Promise<number> {
  const handle = postgresInbox({ ...database, lockTimeoutMs: 50 }).handler(async (name: string, _, tx) => {
    await tx.query('insert into effect values ($1, $2)', [name, 'heir'])
  })
  const context = {
    identity: { scope: 'inventory order.created', event },
    signal: new AbortController().signal,
    markDuplicate: () => expect.unreachable('nobody has committed it'),
  }
  for (let busy = 0; ; busy++) {
    const failure = await handle(event, context).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure === undefined) return busy
    if (!isMekongError(failure) || failure.code !== 'BUSY') throw failure
  }
}

describe('an inbox', () => {
  it('is BUSY while a stopped process keeps its transaction, and free when that has idled too long', async () => {
    await using database = await testDatabase()
    await database.sql.query('create table effect (event text, by text)')
    await using zombie = await startHandler(database, 'a')
    await zombie.signal('in transaction')
    await zombie.pause()
    expect(await takeOver(database, 'a')).toBeGreaterThan(0)
    await zombie.resume()
    zombie.tell('go on')
    expect(await zombie.signal('ended')).toBe('STORE_UNAVAILABLE')
    expect(await database.sql.query('select * from effect')).toEqual([{ event: 'a', by: 'heir' }])
  })

  it('has neither record nor effect of a process that was killed in its transaction', async () => {
    await using database = await testDatabase()
    await database.sql.query('create table effect (event text, by text)')
    await using victim = await startHandler(database, 'a')
    await victim.signal('in transaction')
    await victim.kill()
    await takeOver(database, 'a')
    expect(await database.sql.query('select * from effect')).toEqual([{ event: 'a', by: 'heir' }])
  })
})

describe('fenced leases', () => {
  it('go from a killed and from a stopped process to the one that is left, and the stopped one knows when it wakes', async () => {
    await using database = await testDatabase()
    const start = (owner: string): Promise<ChildProcess> =>
      startChildProcess(new URL('processes/lease-owner.ts', import.meta.url), {
        arguments: [database.url, owner, '1500'],
      })
    await using a = await start('a')
    await using b = await start('b')
    await using c = await start('c')
    const turn = async (...owners: readonly ChildProcess[]): Promise<readonly (readonly FencedLease[])[]> => {
      for (const owner of owners) owner.tell('turn')
      return Promise.all(owners.map(owner => owner.signal<readonly FencedLease[]>('held')))
    }

    let held: readonly (readonly FencedLease[])[] = []
    do held = await turn(a, b, c)
    while (held.some(share => share.length !== 4))

    await b.kill()
    await c.pause()
    let left: readonly FencedLease[] = []
    do [left = []] = await turn(a)
    while (left.length < 12)

    // What was a's stays as it is; what was another's has changed hands.
    const before = new Map(held.flat().map(lease => [lease.name, lease]))
    const isSame = (lease: FencedLease): boolean => lease.fence === before.get(lease.name)?.fence
    expect(left.filter(isSame).map(lease => lease.name)).toEqual(held[0]!.map(lease => lease.name))
    expect(left.every(lease => lease.fence >= before.get(lease.name)!.fence)).toBe(true)
    const leases = fencedLeases({ ...database, set: 'outbox' })
    expect(await leases.extend(held[2]!, 1500)).toEqual([false, false, false, false])
    await c.resume()
    const [woken] = await turn(c)
    expect(
      woken!.filter(lease => held[2]!.some(former => former.name === lease.name && former.fence === lease.fence)),
    ).toEqual([])
  })
})
