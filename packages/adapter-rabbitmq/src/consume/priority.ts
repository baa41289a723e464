import type { ChannelModel } from 'amqplib'

/**
 * How much this member wants this queue: the one that wants it most is the active one, and members agree on that without
 * knowing each other (rendezvous hashing). From RabbitMQ 4 on only: before, a queue with one active consumer takes the first.
 */
export function priorityOf(member: string, queue: string, model: ChannelModel): number | undefined {
  const version: unknown = model.connection.serverProperties.version
  const major = typeof version === 'string' ? Number.parseInt(version, 10) : 0
  return major >= 4 ? rendezvous(member, queue) : undefined
}

/** From 0 to 32,767. */
export function rendezvous(member: string, queue: string): number {
  let hash = 0x811c9dc5
  for (const character of `${queue}\n${member}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  // FNV's high bits hardly move with the last characters, which is where members differ.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % 32_768
}
