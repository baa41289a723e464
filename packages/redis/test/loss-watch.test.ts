import { expect, it } from 'vitest'
import { LossWatch } from '../src/loss-watch.ts'

it('sees a loss once, however many buckets it took', () => {
  const watch = new LossWatch(1000)
  expect(watch.see(['a', 'b', 'c'], [1, 2, 3], 0)).toBe(false)
  expect(watch.see(['a', 'c'], [1, 3], 10)).toBe(false)
  expect(watch.see(['a'], [50], 20)).toBe(true)
  expect(watch.see(['b', 'c'], [51, 52], 30)).toBe(false)
  expect(watch.see(['b'], [60], 40)).toBe(true)
})

it('takes a bucket for expired that was not used within the retention', () => {
  const watch = new LossWatch(1000)
  watch.see(['a'], [1], 0)
  expect(watch.see(['a'], [2], 1000)).toBe(false)
})
