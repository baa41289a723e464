import { describe, expect, it } from 'vitest'
import { type BalancedLeases, type FencedLease, type FencedLeases, fencedLeases } from '../src/index.ts'
import { testDatabase, type TestDatabase } from './database.ts'

const names = Array.from({ length: 16 }, (_, index) => `bucket ${index}`)

async function withLeases(): Promise<TestDatabase & { readonly leases: FencedLeases }> {
  const database = await testDatabase({ maxUses: 1 })
  return Object.assign(database, { leases: fencedLeases({ ...database, set: 'outbox' }) })
}

/** One turn of an owner that has nothing in flight: gives its surplus back at once. */
async function turn(leases: FencedLeases, owner: string, leaseMs = 60_000): Promise<readonly FencedLease[]> {
  const { held, surplus }: BalancedLeases = await leases.balance({ names, owner, leaseMs })
  await leases.release(surplus)
  return held.filter(lease => !surplus.includes(lease))
}

describe('fencedLeases', () => {
  it('gives a lease to one owner only, and to the next with a higher fence', async () => {
    await using database = await withLeases()
    const { leases } = database
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map(owner => leases.acquire({ name: 'x', owner, leaseMs: 60_000 })),
    )
    const [first, ...others] = answers.filter(answer => answer !== undefined)
    expect(others).toEqual([])
    expect(await leases.acquire({ name: 'x', owner: first!.owner, leaseMs: 60_000 })).toEqual(first)
    await leases.release([first!])
    const second = await leases.acquire({ name: 'x', owner: 'next', leaseMs: 60_000 })
    expect(second!.fence).toBeGreaterThan(first!.fence)
    expect(await leases.extend([first!, second!], 60_000)).toEqual([false, true])
    await leases.release([first!])
    expect(await leases.extend([second!], 60_000)).toEqual([true])
  })

  it('lets an expired lease be taken over, and refuses its former owner', async () => {
    await using database = await withLeases()
    const { leases } = database
    const zombie = await leases.acquire({ name: 'x', owner: 'zombie', leaseMs: 1 })
    let taken: FencedLease | undefined
    while (taken === undefined) taken = await leases.acquire({ name: 'x', owner: 'heir', leaseMs: 60_000 })
    expect(taken.fence).toBe(zombie!.fence + 1)
    expect(await leases.extend([zombie!], 60_000)).toEqual([false])
  })

  it('spreads names evenly over all owners, each name to one', async () => {
    await using database = await withLeases()
    const { leases } = database
    const owners = ['a', 'b', 'c']
    expect(await turn(leases, 'a')).toHaveLength(16)
    let shares: readonly number[] = []
    for (let round = 0; round < 20 && Math.min(...shares) !== 5; round++) {
      const held = await Promise.all(owners.map(owner => turn(leases, owner)))
      const taken = held.flat().map(lease => lease.name)
      expect(new Set(taken).size).toBe(taken.length)
      shares = held.map(share => share.length)
    }
    expect(shares.toSorted((a, b) => a - b)).toEqual([5, 5, 6])
  })

  it('hands a name over only after its owner has released it', async () => {
    await using database = await withLeases()
    const { leases } = database
    await turn(leases, 'a')
    expect(await turn(leases, 'b')).toEqual([])
    const { held, surplus } = await leases.balance({ names, owner: 'a', leaseMs: 60_000 })
    expect([held.length, surplus.length]).toEqual([16, 8])
    expect(await turn(leases, 'b')).toEqual([])
    expect((await leases.balance({ names, owner: 'a', leaseMs: 60_000 })).surplus).toEqual(surplus)
    await leases.release(surplus)
    const taken = await turn(leases, 'b')
    expect(taken.map(lease => lease.name).toSorted()).toEqual(surplus.map(lease => lease.name).toSorted())
    expect(taken.every(lease => lease.fence === 2)).toBe(true)
  })

  it('gives the names of an owner that died to the others when its leases have run out', async () => {
    await using database = await withLeases()
    const { leases } = database
    await turn(leases, 'dead', 300)
    let held: readonly FencedLease[] = []
    while (held.length < names.length) held = await turn(leases, 'alive')
    expect(held.every(lease => lease.fence === 2)).toBe(true)
  })

  it('gives the names of an owner that leaves to the others at once', async () => {
    await using database = await withLeases()
    const { leases } = database
    await turn(leases, 'a')
    await leases.leave('a')
    expect(await turn(leases, 'b')).toHaveLength(16)
  })

  it('keeps sets apart', async () => {
    await using database = await withLeases()
    const other = fencedLeases({ ...database, set: 'another' })
    await turn(database.leases, 'a')
    expect(await turn(other, 'b')).toHaveLength(16)
  })
})
