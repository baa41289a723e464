import type { Place } from './kafka-client.ts'

/** A topic with something for each of its partitions: how most requests and answers of the protocol are grouped. */
export interface OfTopic<T> {
  readonly topic: string
  readonly partitions: readonly T[]
}

/** A name for a place that no other place has: topics hold no slash. */
export function nameOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`
}

export function byTopic<P extends Place, T>(
  places: readonly P[],
  convert: (place: P) => T,
): { topic: string; partitions: T[] }[] {
  const topics = new Map<string, T[]>()
  for (const place of places) {
    const partitions = topics.get(place.topic)
    if (partitions === undefined) topics.set(place.topic, [convert(place)])
    else partitions.push(convert(place))
  }
  return Array.from(topics, ([topic, partitions]) => ({ topic, partitions }))
}

/** The answers in the order of the places that were asked for; `missing` for those that the broker left out. */
export function inOrderOf<T extends { readonly partition: number }, A>(
  places: readonly Place[],
  answers: Iterable<OfTopic<T>>,
  convert: (answer: T) => A,
  missing: A,
): readonly A[] {
  const byName = new Map<string, A>()
  for (const { topic, partitions } of answers) {
    for (const answer of partitions) byName.set(nameOf({ topic, partition: answer.partition }), convert(answer))
  }
  return places.map(place => byName.get(nameOf(place)) ?? missing)
}
