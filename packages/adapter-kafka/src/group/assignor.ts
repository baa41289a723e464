import type { Place } from '../client/kafka-client.ts'
import { nameOf } from '../client/places.ts'
import type { MemberSubscription } from './group-protocol.ts'

export interface AssignmentInput {
  /** By member id. */
  readonly members: ReadonlyMap<string, MemberSubscription>
  /** How many partitions each topic has; those that do not exist are left out. */
  readonly partitions: ReadonlyMap<string, number>
}

/**
 * Who gets what, by member id. Cooperative and sticky: a member keeps what it has as long as the shares are fair, and what
 * moves is given to nobody at first. Its owner finishes what runs there and joins again, and only then the new owner gets it.
 *
 * Each topic is spread over its members so that they differ by one partition at most; of those with as few, the one with the
 * fewest over all topics gets the next.
 */
export function assign({ members, partitions }: AssignmentInput): ReadonlyMap<string, readonly Place[]> {
  const owners = ownersOf(members)
  const shares = new Map([...members.keys()].map(member => [member, [] as Place[]]))
  const goals = goalsOf({ members, partitions }, owners)
  for (const [name, { place, member }] of goals) {
    const owner = owners.get(name)
    if (owner === undefined || owner === member) shares.get(member)!.push(place)
  }
  return shares
}

/** Of several claims to one partition the latest counts; when two are as late, nobody may keep it. */
function ownersOf(members: AssignmentInput['members']): ReadonlyMap<string, string> {
  const claims = new Map<
    string,
    { readonly member: string; readonly generation: number; readonly isDisputed: boolean }
  >()
  for (const [member, { owned, topics, generation }] of members) {
    for (const place of owned) {
      if (!topics.includes(place.topic)) continue
      const name = nameOf(place)
      const other = claims.get(name)
      if (other !== undefined && other.generation > generation) continue
      claims.set(name, { member, generation, isDisputed: other?.generation === generation })
    }
  }
  return new Map(Array.from(claims, ([name, { member, isDisputed }]) => [name, isDisputed ? NOBODY : member]))
}

/** Owns what is disputed: whoever the goal is, it has to wait until those who hold it have let go. */
const NOBODY = ''

function goalsOf(
  { members, partitions }: AssignmentInput,
  owners: ReadonlyMap<string, string>,
): ReadonlyMap<string, { readonly place: Place; readonly member: string }> {
  const loads = new Map([...members.keys()].toSorted().map(member => [member, 0]))
  const goals = new Map<string, { place: Place; member: string }>()
  for (const [topic, count] of [...partitions].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    const takers = [...loads.keys()].filter(member => members.get(member)!.topics.includes(topic))
    if (takers.length === 0) continue
    const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
    const owned = places.map(place => owners.get(nameOf(place)))
    for (const [partition, member] of spread(owned, takers, loads).entries()) {
      const place = places[partition]!
      goals.set(nameOf(place), { place, member })
    }
  }
  return goals
}

/** The goals of one topic by partition. Counts them in `loads`. */
function spread(
  owners: readonly (string | undefined)[],
  takers: readonly string[],
  loads: Map<string, number>,
): readonly string[] {
  const counts = new Map(takers.map(member => [member, 0]))
  const quotas = quotasOf(owners, takers, loads)
  const give = (member: string): string => {
    counts.set(member, counts.get(member)! + 1)
    loads.set(member, loads.get(member)! + 1)
    return member
  }
  const kept = owners.map(owner => {
    if (owner === undefined || !counts.has(owner) || counts.get(owner)! >= quotas.get(owner)!) return undefined
    return give(owner)
  })
  return kept.map(owner => {
    if (owner !== undefined) return owner
    const free = takers.filter(member => counts.get(member)! < quotas.get(member)!)
    return give(free.reduce((least, member) => (loads.get(member)! < loads.get(least)! ? member : least)))
  })
}

/**
 * How many each taker gets: equal shares, and one more for some. Those with the fewest elsewhere get the extra one; of those
 * with as few, the ones that hold more of this topic already.
 */
function quotasOf(
  owners: readonly (string | undefined)[],
  takers: readonly string[],
  loads: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const fair = Math.floor(owners.length / takers.length)
  const extras = owners.length % takers.length
  const held = (member: string): number => owners.filter(owner => owner === member).length
  const first = takers.toSorted(
    (one, other) => loads.get(one)! - loads.get(other)! || held(other) - held(one) || (one < other ? -1 : 1),
  )
  return new Map(first.map((member, rank) => [member, fair + (rank < extras ? 1 : 0)]))
}
