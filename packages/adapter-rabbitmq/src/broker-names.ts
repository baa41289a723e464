/**
 * What things are called at the broker. Injective: neither topics nor groups hold a colon, and where both parts of a name
 * come from applications one colon is between them, so what is shared by a virtual host has two.
 */
export const sharedNames = {
  /** Takes what no group has asked for yet; its name says how keys become buckets. See buckets.ts. */
  unclaimed: 'mekong::unclaimed:fnv1a-128',
  /** Takes what killed its consumers too often. */
  backstop: 'mekong::backstop',
  /** Where a delayed message comes out: to its topic by `<topic>.<bucket>`, or to one queue by `:<queue>`. */
  due: 'mekong::due',
} as const

/** Names that RabbitMQ takes for an exchange and Mekong leaves room in for groups and numbers. */
export const topicNamePattern: RegExp = /^(?!amq\.)\w[\w.-]{0,139}$/

/** RabbitMQ's limit of 255 bytes, less the colon of `requeueKey`. */
export const maxQueueNameLength = 254

/** The one queue of a group that keeps no order. */
export function unorderedQueueName(topic: string, group: string): string {
  return `${topic}:${group}`
}

/** Generations of a group's ordered queues take turns with these: at most two are there at once, the later one follows. */
export const slots = ['a', 'b', 'c'] as const
export type Slot = (typeof slots)[number]

export function slotAfter(slot: Slot): Slot {
  return slots[(slots.indexOf(slot) + 1) % slots.length]!
}

export function orderedQueueName(topic: string, group: string, slot: Slot, index: number): string {
  return `${topic}:${group}:${slot}${index}`
}

/** Held by whoever changes the queues of a group. */
export function lockName(topic: string, group: string): string {
  return `${topic}:${group}:lock`
}

/** Keeps a topic for replay. */
export function streamName(topic: string): string {
  return `${topic}::stream`
}

/** Of one step of the ladder of delays: an exchange and a queue. */
export function delayName(level: number): string {
  return `mekong::delay:${level}`
}

/** Brings a delayed message back to one queue. */
export function requeueKey(queue: string): string {
  return `:${queue}`
}
