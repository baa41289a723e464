import { describe, expect, it } from 'vitest'
import { ParkedKeys } from '../../src/consume/parked-keys.ts'

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('what is known of parked keys', () => {
  it('is what the store said, and what was learned since', async () => {
    const keys = new ParkedKeys(async () => ['a', 'b'])
    expect(keys.mayHave('a')).toBe(false)
    expect(await keys.learn()).toEqual(['a', 'b'])
    keys.remember('b', false)
    keys.remember('c', true)
    expect(['a', 'b', 'c', 'd'].map(key => keys.mayHave(key))).toEqual([true, false, true, false])
  })

  it('forgets keys that were freed elsewhere, from a thousand on', async () => {
    const parked = new Set<string>()
    let asked = 0
    const keys = new ParkedKeys(async () => {
      asked++
      return [...parked]
    })
    for (let number = 0; number < 10_000; number++) {
      parked.add(`k${number}`)
      keys.remember(`k${number}`, true)
      if (number >= 10) parked.delete(`k${number}`)
      if (number % 100 === 0) await settled()
    }
    const known = Array.from({ length: 10_000 }, (_, number) => `k${number}`).filter(key => keys.mayHave(key))
    expect(known.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, number) => `k${number}`))
    expect(known.length).toBeLessThan(1200)
    expect(asked).toBeLessThan(15)
  })

  it('misses no key that is parked while the store is asked', async () => {
    let answer: (parked: readonly string[]) => void = () => undefined
    const keys = new ParkedKeys(() => new Promise(resolve => (answer = resolve)))
    for (let number = 0; number <= 1000; number++) keys.remember(`k${number}`, true)
    keys.remember('late', true)
    expect(keys.mayHave('anything')).toBe(true)
    answer(['k1'])
    await settled()
    expect(['k0', 'k1', 'late', 'anything'].map(key => keys.mayHave(key))).toEqual([false, true, true, false])
  })

  it('stays as it is when closing gives up on the store', async () => {
    const keys = new ParkedKeys(async () => undefined)
    for (let number = 0; number <= 1000; number++) keys.remember(`k${number}`, true)
    await settled()
    expect([keys.mayHave('k0'), keys.mayHave('other')]).toEqual([true, false])
    expect(await keys.learn()).toEqual([])
  })
})
