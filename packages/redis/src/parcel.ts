import type { Identity } from '@mekong/core/driver'
import { identityDigest, tokenDigest, type IdentityDigest } from './identity-digest.ts'

/** One identity for a script. */
export interface Item {
  readonly identity: Identity
  readonly token: string
  readonly flag: 0 | 1
  /** A whole number below 2^53: what the script takes it for. */
  readonly number: number
}

/** What goes to Redis in one call of a script. */
export interface Parcel {
  /** The heads of the buckets. */
  readonly keys: readonly string[]
  readonly bytes: Buffer
  /** Which of the items are in it, in order. */
  readonly places: readonly number[]
}

export interface ParcelOptions {
  /** The head of each bucket. */
  readonly heads: readonly string[]
  /** Each bucket by itself, as a cluster needs it. */
  readonly apart: boolean
}

/** A script with more items would keep Redis from its other clients for too long. */
const maxItems = 1000

/** Packs items as `itemFormat` reads them. */
export function packItems(items: readonly Item[], options: ParcelOptions): readonly Parcel[] {
  const parcels: Parcel[] = []
  const open = new Map<number, OpenParcel>()
  for (const [place, item] of items.entries()) {
    const digest = identityDigest(item.identity.scope, item.identity.event)
    const bucket = digest.bucket % options.heads.length
    const name = options.apart ? bucket : 0
    const parcel = open.get(name) ?? new OpenParcel(options.heads)
    open.set(name, parcel)
    parcel.add({ place, item, digest, bucket })
    if (parcel.size < maxItems) continue
    parcels.push(parcel.close())
    open.delete(name)
  }
  for (const parcel of open.values()) parcels.push(parcel.close())
  return parcels
}

interface Placed {
  readonly place: number
  readonly item: Item
  readonly digest: IdentityDigest
  readonly bucket: number
}

class OpenParcel {
  readonly #heads: readonly string[]
  readonly #keys: string[] = []
  readonly #numberOfBucket = new Map<number, number>()
  readonly #places: number[] = []
  #text = ''

  constructor(heads: readonly string[]) {
    this.#heads = heads
  }

  get size(): number {
    return this.#places.length
  }

  add({ place, item, digest, bucket }: Placed): void {
    this.#places.push(place)
    this.#text +=
      String.fromCharCode(this.#number(bucket), item.flag) +
      digest.field +
      digest.page +
      tokenDigest(item.token) +
      sevenBytes(item.number)
  }

  close(): Parcel {
    return { keys: this.#keys, bytes: Buffer.from(this.#text, 'latin1'), places: this.#places }
  }

  /** Lua counts from 1. */
  #number(bucket: number): number {
    const known = this.#numberOfBucket.get(bucket)
    if (known !== undefined) return known
    const number = this.#keys.push(this.#heads[bucket] ?? '')
    this.#numberOfBucket.set(bucket, number)
    return number
  }
}

function sevenBytes(number: number): string {
  const high = Math.floor(number / 2 ** 32)
  const low = number % 2 ** 32
  return String.fromCharCode(
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    low >>> 24,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  )
}
