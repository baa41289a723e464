import { expect, it } from 'vitest'
import { snapshotsByBucket, unseenByAny } from '../src/snapshot.ts'

it('looks from the end of a snapshot on, and at what was running then', () => {
  expect(unseenByAny(['100:110:100,105'])).toEqual({ from: '110', running: ['100', '105'] })
  expect(unseenByAny(['100:100:'])).toEqual({ from: '100', running: [] })
})

it('looks for whatever one of several snapshots did not see, once', () => {
  const unseen = unseenByAny(['100:110:100,105', '103:120:103,105,115', '100:110:100,105'])
  expect(unseen).toEqual({ from: '110', running: ['100', '105', '103'] })
})

it('keeps all 64 bits of a transaction id', () => {
  const large = '9223372036854775901'
  expect(unseenByAny([`${large}:9223372036854775999:${large}`])).toEqual({
    from: '9223372036854775999',
    running: [large],
  })
})

it('writes the snapshot of each bucket where Postgres finds it by number', () => {
  expect(snapshotsByBucket(new Map([[2, '5:7:5,6']]))).toBe('{NULL,NULL,"5:7:5,6"}')
  expect(snapshotsByBucket(new Map())).toBe('{}')
})
