import { describe, expect, it } from 'vitest'
import { type Item, packItems } from '../src/parcel.ts'

const heads = Array.from({ length: 16 }, (_, bucket) => `{mekong:${bucket}}`)
const items = (count: number): readonly Item[] =>
  Array.from({ length: count }, (_, index) => ({
    identity: { scope: 'inventory', event: `e${index}` },
    token: 't',
    flag: 0,
    number: 2 ** 53 - 1 - index,
  }))

describe('the items of a call', () => {
  it('travel together, each bucket named once', () => {
    const parcels = packItems(items(100), { heads, apart: false })
    expect(parcels).toHaveLength(1)
    expect(parcels[0]!.places).toEqual(Array.from({ length: 100 }, (_, place) => place))
    expect(new Set(parcels[0]!.keys).size).toBe(parcels[0]!.keys.length)
    expect(parcels[0]!.bytes).toHaveLength(100 * 45)
  })

  it('go to each bucket by itself in a cluster, none left out', () => {
    const parcels = packItems(items(100), { heads, apart: true })
    expect(parcels.every(parcel => parcel.keys.length === 1)).toBe(true)
    expect(new Set(parcels.flatMap(parcel => parcel.keys)).size).toBe(parcels.length)
    expect(parcels.flatMap(parcel => parcel.places).toSorted((a, b) => a - b)).toEqual(
      items(100).map((_, place) => place),
    )
  })

  it('are at most 1,000 a script, so that none keeps Redis from others for long', () => {
    const parcels = packItems(items(2500), { heads, apart: false })
    expect(parcels.map(parcel => parcel.places.length)).toEqual([1000, 1000, 500])
  })

  it('carry numbers up to 2^53 as seven bytes', () => {
    const [parcel] = packItems(items(2), { heads, apart: false })
    const numberAt = (item: number): bigint => parcel!.bytes.readBigUInt64BE(item * 45 + 37) & 0xff_ffff_ffff_ffffn
    expect(numberAt(0)).toBe(2n ** 53n - 1n)
    expect(numberAt(1)).toBe(2n ** 53n - 2n)
  })
})
