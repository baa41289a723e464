import type { Channel, Options } from 'amqplib'
import { wait, type Clock } from '@mekong/core/driver'
import { bucketsOfQueue, bucketCount, routingKeys } from '../buckets.ts'
import {
  lockName,
  maxQueueNameLength,
  orderedQueueName,
  requeueKey,
  sharedNames,
  slotAfter,
  slots,
  unorderedQueueName,
  type Slot,
} from '../broker-names.ts'
import type { Requests } from '../connection/requests.ts'
import { endOfGeneration } from '../rabbitmq-message.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import { readLayout, type Generation, type GroupLayout } from './group-layout.ts'
import { withLock } from './layout-lock.ts'
import { countInstead, orderedQueueArguments, unorderedQueueArguments } from './queue-arguments.ts'

export interface GroupWish {
  readonly topic: string
  readonly group: string
  readonly ordered: boolean
  /** Undefined: as it is, or the default for a group that is new. */
  readonly queues: number | undefined
  readonly defaultQueues: number
  readonly deliveryLimit: number
}

export interface GroupDeclaration {
  readonly requests: Requests
  /** Resolves when the broker has confirmed it. */
  readonly send: (routingKey: string, options: Options.Publish) => Promise<void>
  readonly clock: Clock
}

/**
 * Declares what is missing of a group on a topic, alone among all processes. Another number of ordered queues is a new
 * generation: the new queues are bound, then the old ones unbound, so that nothing falls between them; a last message at the
 * end of each old queue tells its consumer when it is drained. What came in between is in both, and recognised by its id.
 */
export function declareGroup(declaration: GroupDeclaration, wish: GroupWish): Promise<void> {
  const { topic, group } = wish
  if (orderedQueueName(topic, group, 'a', bucketCount - 1).length > maxQueueNameLength) {
    throw new RabbitMqError(
      'illegal',
      `topic ${topic} and group ${group} are too long for the name of a queue together`,
    )
  }
  const { requests, clock } = declaration
  return withLock(requests, lockName(topic, group), clock, async () => {
    const layout = await readLayout(requests, topic, group)
    if (wish.ordered || layout.generations.length > 0) await declareOrdered(declaration, wish, layout)
    else await declareUnordered(declaration, wish)
  })
}

async function declareUnordered({ requests }: GroupDeclaration, wish: GroupWish): Promise<void> {
  const name = unorderedQueueName(wish.topic, wish.group)
  await requests.ask(async channel => {
    await channel.assertQueue(name, { arguments: unorderedQueueArguments(wish.deliveryLimit) })
    await channel.bindQueue(name, sharedNames.due, requeueKey(name))
    for (const key of routingKeys(wish.topic)) await channel.bindQueue(name, wish.topic, key)
  })
}

async function declareOrdered(declaration: GroupDeclaration, wish: GroupWish, layout: GroupLayout): Promise<void> {
  const { requests } = declaration
  const [old, next] = layout.generations
  if (old !== undefined && next !== undefined) {
    await replace(declaration, wish, old, await declareGeneration(declaration, wish, next.slot, next.queues.length))
  } else {
    const slot = old?.slot ?? (await slotOfRest(requests, wish))
    const count = old?.queues.length ?? wish.queues ?? wish.defaultQueues
    const current = await declareGeneration(declaration, wish, slot, count)
    if (wish.queues !== undefined && wish.queues !== current.queues.length) {
      const made = await declareGeneration(declaration, wish, slotAfter(slot), wish.queues)
      await replace(declaration, wish, current, made)
    }
  }
  if (layout.unordered === undefined) return
  // Order is kept from now on; what is in the old queue is consumed beside.
  await requests.ask(channel => unbind(channel, wish.topic, layout.unordered!, everyBucket))
}

const everyBucket = bucketsOfQueue(0, 1)

/** Where a declaration was cut off after the first binding, or somebody deleted the first queue: the others are there. */
async function slotOfRest(requests: Requests, { topic, group }: GroupWish): Promise<Slot> {
  for (const slot of slots) if (await requests.hasQueue(orderedQueueName(topic, group, slot, 1))) return slot
  return slots[0]
}

/** Declares what is missing of it. Where it is there with another number of queues, that is what it has. */
async function declareGeneration(
  { requests }: GroupDeclaration,
  wish: GroupWish,
  slot: Slot,
  count: number,
): Promise<Generation> {
  const queuesOf = (length: number): readonly string[] =>
    Array.from({ length }, (_, index) => orderedQueueName(wish.topic, wish.group, slot, index))
  let queues = queuesOf(count)
  try {
    await declareQueues(requests, wish, queues)
  } catch (error) {
    const declared = countInstead(error)
    if (declared === undefined) throw error
    queues = queuesOf(declared)
    await declareQueues(requests, wish, queues)
  }
  return { slot, queues }
}

/**
 * The first one last: with it the generation exists. From the second one up, where a declaration that was cut off left the
 * others. Nothing is bound before all of those are there.
 */
function declareQueues(
  requests: Requests,
  { topic, deliveryLimit }: GroupWish,
  queues: readonly string[],
): Promise<void> {
  const [first = '', ...others] = queues
  const settings = { arguments: orderedQueueArguments(deliveryLimit, queues.length) }
  return requests.ask(async channel => {
    for (const name of others) await channel.assertQueue(name, settings)
    for (const name of [...others, first]) {
      await channel.assertQueue(name, settings)
      await channel.bindQueue(name, sharedNames.due, requeueKey(name))
      await bind(channel, topic, name, bucketsOfQueue(queues.indexOf(name), queues.length))
    }
  })
}

/** A publish that was routed before the unbinding may still be on its way to its queue: the last message comes after it. */
const settleMs = 250

/** Each step may be repeated: by the next process, when this one dies. */
async function replace(
  { requests, send, clock }: GroupDeclaration,
  { topic }: GroupWish,
  old: Generation,
  next: Generation,
): Promise<void> {
  await requests.ask(async channel => {
    for (const [index, name] of next.queues.entries()) {
      await bind(channel, topic, name, bucketsOfQueue(index, next.queues.length))
    }
    // Wherever its queue was bound: an unbinding of what is not bound changes nothing.
    for (const name of old.queues) await unbind(channel, topic, name, everyBucket)
  })
  await wait(clock, settleMs)
  for (const name of old.queues) {
    await send(name, endOfGeneration()).catch(async (error: unknown) => {
      // Its consumer may have deleted it meanwhile: the change was under way.
      if (await requests.hasQueue(name)) throw error
    })
  }
}

async function bind(channel: Channel, topic: string, queue: string, buckets: readonly number[]): Promise<void> {
  const keys = routingKeys(topic)
  for (const bucket of buckets) await channel.bindQueue(queue, topic, keys[bucket]!)
}

async function unbind(channel: Channel, topic: string, queue: string, buckets: readonly number[]): Promise<void> {
  const keys = routingKeys(topic)
  for (const bucket of buckets) await channel.unbindQueue(queue, topic, keys[bucket]!)
}
