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
  unorderedQueueName,
  type Slot,
} from '../broker-names.ts'
import type { Requests } from '../connection/requests.ts'
import { endOfGeneration } from '../rabbitmq-message.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import { readLayout, type Generation, type GroupLayout } from './group-layout.ts'
import { withLock } from './layout-lock.ts'
import { groupQueueArguments } from './queue-arguments.ts'

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
    await channel.assertQueue(name, { arguments: groupQueueArguments(false, wish.deliveryLimit) })
    await channel.bindQueue(name, sharedNames.due, requeueKey(name))
    for (const key of routingKeys(wish.topic)) await channel.bindQueue(name, wish.topic, key)
  })
}

async function declareOrdered(declaration: GroupDeclaration, wish: GroupWish, layout: GroupLayout): Promise<void> {
  const [old, next] = layout.generations
  if (old === undefined) await declareGeneration(declaration, wish, 'a', wish.queues ?? wish.defaultQueues)
  else if (next !== undefined) await replace(declaration, wish, old, next)
  else if (wish.queues === undefined || wish.queues === old.queues.length) {
    await declareGeneration(declaration, wish, old.slot, old.queues.length)
  } else {
    const made = await declareGeneration(declaration, wish, slotAfter(old.slot), wish.queues)
    await replace(declaration, wish, old, made)
  }
  if (layout.unordered === undefined) return
  // Order is kept from now on; what is in the old queue is consumed beside.
  await declaration.requests.ask(channel => unbind(channel, wish.topic, layout.unordered!, everyBucket))
}

const everyBucket = bucketsOfQueue(0, 1)

async function declareGeneration(
  { requests }: GroupDeclaration,
  wish: GroupWish,
  slot: Slot,
  count: number,
): Promise<Generation> {
  const { topic, group, deliveryLimit } = wish
  const nameOf = (index: number): string => orderedQueueName(topic, group, slot, index)
  const queues = Array.from({ length: count }, (_, index) => nameOf(index))
  if (!(await requests.hasQueue(nameOf(0)))) await dropLeftovers(requests, nameOf, count)
  await requests.ask(async channel => {
    // The first one last: with it the generation exists.
    for (let index = count - 1; index >= 0; index--) {
      const name = nameOf(index)
      await channel.assertQueue(name, { arguments: groupQueueArguments(true, deliveryLimit) })
      await channel.bindQueue(name, sharedNames.due, requeueKey(name))
      await bind(channel, topic, name, bucketsOfQueue(index, count))
    }
  })
  return { slot, queues }
}

/** Of a declaration that was cut off, before its first queue: nobody ever consumed them. */
async function dropLeftovers(requests: Requests, nameOf: (index: number) => string, from: number): Promise<void> {
  for (let index = from; await requests.hasQueue(nameOf(index)); index++) {
    await requests.ask(channel => channel.deleteQueue(nameOf(index)))
  }
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
  for (const name of old.queues) await send(name, endOfGeneration())
}

async function bind(channel: Channel, topic: string, queue: string, buckets: readonly number[]): Promise<void> {
  const keys = routingKeys(topic)
  for (const bucket of buckets) await channel.bindQueue(queue, topic, keys[bucket]!)
}

async function unbind(channel: Channel, topic: string, queue: string, buckets: readonly number[]): Promise<void> {
  const keys = routingKeys(topic)
  for (const bucket of buckets) await channel.unbindQueue(queue, topic, keys[bucket]!)
}
