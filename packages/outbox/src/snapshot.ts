/** What a statement of Postgres could see, as `pg_snapshot` writes it: `xmin:xmax:running,running`. */
export type SnapshotText = string

/** The snapshot up to which each bucket was read. */
export type SeenSnapshots = ReadonlyMap<number, SnapshotText>

/** Where to look for what a snapshot did not see. Transaction ids are decimal text: they have 64 bits. */
export interface Unseen {
  /** Nothing from this id on was seen. */
  readonly from: string
  /** Below `from`: what was still running. */
  readonly running: readonly string[]
}

/** Where everything lies that at least one of the snapshots did not see. At least one is given. */
export function unseenByAny(snapshots: Iterable<SnapshotText>): Unseen {
  let from: bigint | undefined
  const running = new Set<bigint>()
  for (const snapshot of new Set(snapshots)) {
    const [, xmax = '0', list = ''] = snapshot.split(':')
    const end = BigInt(xmax)
    if (from === undefined || end < from) from = end
    if (list !== '') for (const xid of list.split(',')) running.add(BigInt(xid))
  }
  const start = from ?? 0n
  return {
    from: String(start),
    running: Array.from(running)
      .filter(xid => xid < start)
      .map(String),
  }
}

/** The text of an array with the snapshot of bucket n at index n + 1, null where there is none. */
export function snapshotsByBucket(seen: SeenSnapshots): string {
  const dense = Array.from({ length: Math.max(-1, ...seen.keys()) + 1 }, () => 'NULL')
  // A snapshot has commas of its own.
  for (const [bucket, snapshot] of seen) dense[bucket] = `"${snapshot}"`
  return `{${dense.join(',')}}`
}
