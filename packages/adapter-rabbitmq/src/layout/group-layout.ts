import type { Requests } from '../connection/requests.ts'
import { orderedQueueName, slotAfter, slots, unorderedQueueName, type Slot } from '../broker-names.ts'

/** Queues of a group that keep order: queue i of n takes the i-th nth of the buckets. */
export interface Generation {
  readonly slot: Slot
  readonly queues: readonly string[]
}

/** What the broker has of a group on a topic. */
export interface GroupLayout {
  /** Where order is not kept; also beside ordered queues, when order was asked for later: nothing new comes to it then. */
  readonly unordered: string | undefined
  /** The one that is drained comes before the one that follows it. */
  readonly generations: readonly Generation[]
}

/**
 * Reads the layout from which queues exist, which needs neither a store nor the management API. The first queue of a
 * generation is declared after, and deleted after all others, which go from the last on: it exists when its first queue
 * does, and has no gaps.
 */
export async function readLayout(requests: Requests, topic: string, group: string): Promise<GroupLayout> {
  const unordered = unorderedQueueName(topic, group)
  const hasUnordered = await requests.hasQueue(unordered)
  const found: Generation[] = []
  for (const slot of slots) {
    const queues = await queuesOf(requests, (index: number) => orderedQueueName(topic, group, slot, index))
    if (queues.length > 0) found.push({ slot, queues })
  }
  return { unordered: hasUnordered ? unordered : undefined, generations: inOrder(found) }
}

async function queuesOf(requests: Requests, nameOf: (index: number) => string): Promise<readonly string[]> {
  const queues: string[] = []
  while (await requests.hasQueue(nameOf(queues.length))) queues.push(nameOf(queues.length))
  return queues
}

function inOrder(found: readonly Generation[]): readonly Generation[] {
  const [one, other] = found
  if (one === undefined || other === undefined) return found
  return slotAfter(one.slot) === other.slot ? [one, other] : [other, one]
}

export function isDeclared({ unordered, generations }: GroupLayout): boolean {
  return unordered !== undefined || generations.length > 0
}
