import type { Bucket } from './bucket.ts'
import { arrayText, type Database } from './read.ts'

/** The set that the leases of buckets are in; a lease's name is the number of its bucket. */
export const leaseSet = 'outbox'

/** Thrown nowhere, returned by every write: buckets whose lease somebody else holds by now. Nothing of them was written. */
export type Refused = readonly Bucket[]

/**
 * A table expression with the buckets that this relay still holds; what joins it is written for these only. The rows are
 * locked until the statement has committed, so that a takeover comes before it, and it is refused, or after it, and the
 * new owner sees what it wrote. Locked by name, in the order in which leases are taken. Takes $1, $2 and $3.
 */
export const heldExpression = ({ table }: Database): string => `held as materialized (
  select l.name::smallint as bucket, l.fence from ${table('lease')} as l
  where l."set" = '${leaseSet}' and l.owner = $1::text and (l.name, l.fence) in (
    select number::text, fence from unnest($2::text::smallint[], $3::text::bigint[]) as given (number, fence))
  order by l.name for share of l
)`

/** The first three parameters of a statement with `heldExpression`. */
export function fenceParameters(owner: string, buckets: readonly Bucket[]): readonly [string, string, string] {
  return [owner, arrayText(buckets.map(bucket => bucket.number)), arrayText(buckets.map(bucket => bucket.fence))]
}

export function refusedOf(buckets: readonly Bucket[], held: readonly { readonly bucket: number }[]): Refused {
  const numbers = new Set(held.map(({ bucket }) => bucket))
  return buckets.filter(bucket => !numbers.has(bucket.number))
}
