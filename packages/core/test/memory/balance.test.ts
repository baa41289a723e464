import fc from 'fast-check'
import { expect, it } from 'vitest'
import { balance } from '../../src/memory/balance.ts'

it('gives every partition to a member that takes part, differing by one at most, and moves no more than it must', () => {
  const members = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 })
  const owners = fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'gone'), { nil: undefined }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(fc.array(fc.record({ owners, members }), { minLength: 1, maxLength: 4 }), shares => {
      for (const [topic, goals] of balance(shares).entries()) {
        const share = shares[topic]!
        const counts = share.members.map(member => goals.filter(goal => goal === member).length)
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(share.members.length === 0 ? 0 : goals.length)
        if (counts.length === 0) continue
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        const ceiling = Math.ceil(goals.length / counts.length)
        for (const member of share.members) {
          const owned = share.owners.filter(owner => owner === member).length
          const kept = goals.filter((goal, index) => goal === member && share.owners[index] === member).length
          expect(kept).toBeGreaterThanOrEqual(Math.min(owned, Math.floor(goals.length / counts.length)))
          expect(kept).toBeLessThanOrEqual(ceiling)
        }
      }
    }),
  )
})

it('gives the partitions of several small topics to different members', () => {
  const small = { owners: [undefined], members: ['a', 'b'] }
  expect(new Set(balance([small, small]).flat())).toEqual(new Set(['a', 'b']))
})
