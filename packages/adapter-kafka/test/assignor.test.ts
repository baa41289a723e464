import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nameOf } from '../src/client/places.ts'
import { assign } from '../src/group/assignor.ts'
import { GroupOfMembers } from './support/group-of-members.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type MemberSubscription,
} from '../src/group/group-protocol.ts'

const place = fc.record({ topic: fc.constantFrom('a', 'b', 'größe'), partition: fc.nat(40) })

describe('what members tell each other', () => {
  it('is read as it was written', () => {
    const subscription = fc.record({
      topics: fc.uniqueArray(fc.string(), { maxLength: 5 }),
      owned: fc.uniqueArray(place, { selector: nameOf }),
      generation: fc.integer({ min: -1, max: 2_147_483_647 }),
    })
    fc.assert(
      fc.property(subscription, one => {
        const read = decodeSubscription(encodeSubscription(one))
        expect({ ...read, owned: read.owned.map(nameOf).toSorted() }).toEqual({
          ...one,
          owned: one.owned.map(nameOf).toSorted(),
        })
      }),
    )
  })

  it('about assignments is read as it was written; no bytes mean nothing', () => {
    const places = [
      { topic: 'a', partition: 1 },
      { topic: 'b', partition: 0 },
      { topic: 'a', partition: 0 },
    ]
    expect(decodeAssignment(encodeAssignment(places)).map(nameOf).toSorted()).toEqual(['a/0', 'a/1', 'b/0'])
    expect(decodeAssignment(new Uint8Array())).toEqual([])
  })

  it('may come from a client that knows only the first version of the protocol', () => {
    const first = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 1]), Buffer.from('a'), Buffer.from([0, 0, 0, 0])])
    expect(decodeSubscription(first)).toEqual({ topics: ['a'], owned: [], generation: -1 })
  })

  it('never makes a reader go on for ever', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        expect(outcomeOf(() => decodeSubscription(bytes))).toMatch(/^(read|RangeError)$/)
      }),
    )
  })
})

function outcomeOf(read: () => unknown): string {
  try {
    read()
    return 'read'
  } catch (error) {
    return (error as Error).name
  }
}

const topicNames = ['a', 'b', 'c', 'd']
const counts = fc.dictionary(fc.constantFrom(...topicNames), fc.integer({ min: 1, max: 9 }), { minKeys: 1 })
const changes = fc.array(
  fc.oneof(
    fc.record({ is: fc.constant('join' as const), who: fc.nat(5), topics: fc.subarray(topicNames, { minLength: 1 }) }),
    fc.record({ is: fc.constant('leave' as const), who: fc.nat(5) }),
    fc.record({ is: fc.constant('grow' as const), topic: fc.constantFrom(...topicNames) }),
  ),
  { minLength: 1, maxLength: 12 },
)

describe('sharing out', () => {
  it('gives every partition one owner, fairly, never takes one from somebody who works on it, and comes to rest', () => {
    fc.assert(
      fc.property(counts, changes, (first, moves) => {
        const partitions = new Map(Object.entries(first))
        const group = new GroupOfMembers()
        group.join('m0', topicNames)
        group.settle(partitions)
        for (const move of moves) {
          if (move.is === 'join') group.join(`m${move.who}`, move.topics)
          else if (move.is === 'leave') group.members.delete(`m${move.who}`)
          else if (partitions.has(move.topic)) partitions.set(move.topic, partitions.get(move.topic)! + 1)
          group.settle(partitions)
          for (const [topic, count] of partitions) {
            const takers = [...group.members].filter(([, { topics }]) => topics.includes(topic))
            const shares = takers.map(([member]) => group.ownedOf(member).filter(one => one.topic === topic).length)
            if (takers.length === 0) continue
            expect(shares.reduce((sum, share) => sum + share, 0)).toBe(count)
            expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
          }
        }
      }),
    )
  })

  it('moves no more than it must: a member that joins gets its share, all else stays', () => {
    const partitions = new Map([['a', 12]])
    const group = new GroupOfMembers()
    group.join('m1', ['a'])
    group.join('m2', ['a'])
    group.settle(partitions)
    const before = new Map(['m1', 'm2'].map(member => [member, group.ownedOf(member).map(nameOf)]))
    group.join('m3', ['a'])
    expect(group.settle(partitions)).toBe(2)
    for (const [member, had] of before) {
      const kept = group.ownedOf(member).map(nameOf)
      expect(kept).toHaveLength(4)
      expect(had).toEqual(expect.arrayContaining(kept))
    }
  })

  it('spreads topics of one partition each', () => {
    const partitions = new Map(Array.from({ length: 60 }, (_, index) => [`t${index}`, 1]))
    const group = new GroupOfMembers()
    for (const member of ['m1', 'm2', 'm3']) group.join(member, [...partitions.keys()])
    group.settle(partitions)
    expect(['m1', 'm2', 'm3'].map(member => group.ownedOf(member).length)).toEqual([20, 20, 20])
  })

  it('lets nobody keep what two claim, and believes the later of two claims', () => {
    const both = [{ topic: 'a', partition: 0 }]
    const claim = (generation: number): MemberSubscription => ({ topics: ['a'], owned: both, generation })
    const partitions = new Map([['a', 1]])
    const disputed = assign({
      members: new Map([
        ['m1', claim(3)],
        ['m2', claim(3)],
      ]),
      partitions,
    })
    expect([...disputed.values()].flat()).toEqual([])
    const later = assign({
      members: new Map([
        ['m1', claim(3)],
        ['m2', claim(4)],
      ]),
      partitions,
    })
    expect([...later.values()].flat().length).toBeLessThanOrEqual(1)
    expect(later.get('m1')).toEqual([])
  })
})
