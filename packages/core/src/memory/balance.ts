/** Who owns the partitions of one topic, and who takes part in it. */
export interface Share<M> {
  readonly owners: readonly (M | undefined)[]
  readonly members: readonly M[]
}

/**
 * Spreads each topic over its members, so that they differ by one partition at most; of those with as few, the one with
 * the fewest over all topics gets the next. An owner keeps what is not too much. By topic and partition.
 */
export function balance<M>(shares: readonly Share<M>[]): readonly (readonly (M | undefined)[])[] {
  const loads = new Map<M, number>()
  return shares.map(({ owners, members }) => {
    const counts = new Map(members.map(member => [member, 0]))
    const give = (member: M): M => {
      counts.set(member, (counts.get(member) ?? 0) + 1)
      loads.set(member, (loads.get(member) ?? 0) + 1)
      return member
    }
    const kept = keepers(owners, counts).map(owner => (owner === undefined ? undefined : give(owner)))
    return kept.map(owner => {
      if (owner !== undefined || members.length === 0) return owner
      return give(members.reduce((least, member) => (isLess(member, least) ? member : least)))
    })

    function isLess(one: M, other: M): boolean {
      const difference = counts.get(one)! - counts.get(other)!
      return difference < 0 || (difference === 0 && (loads.get(one) ?? 0) < (loads.get(other) ?? 0))
    }
  })
}

/** The owners that may stay, by partition. */
function keepers<M>(owners: readonly (M | undefined)[], members: ReadonlyMap<M, number>): readonly (M | undefined)[] {
  const fair = Math.floor(owners.length / members.size)
  let extras = owners.length % members.size
  const kept = new Map<M, number>()
  return owners.map(owner => {
    if (owner === undefined || !members.has(owner)) return undefined
    const count = kept.get(owner) ?? 0
    if (count > fair || (count === fair && extras === 0)) return undefined
    if (count === fair) extras--
    kept.set(owner, count + 1)
    return owner
  })
}
