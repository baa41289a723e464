import type { Channel } from 'amqplib'
import { delayName, sharedNames } from '../broker-names.ts'
import { levelHeader } from '../rabbitmq-message.ts'
import { delayLevels, waitMsOf } from './delay-levels.ts'

/**
 * Declares the ladder: at each level an exchange that takes into its queue what is to wait there, and hands on everything
 * else to the level below. What has waited in a queue enters the level below it; under the last one it is due.
 */
export async function declareDelayLadder(channel: Channel): Promise<void> {
  // What is due for nobody any more would stay at the head of the last queue, and stop the ladder for everybody.
  await channel.assertExchange(sharedNames.due, 'topic', { alternateExchange: sharedNames.unclaimed })
  for (let level = 0; level < delayLevels; level++) {
    const name = delayName(level)
    await channel.assertExchange(name, 'headers', { alternateExchange: belowOf(level) })
    await channel.assertQueue(name, { arguments: delayQueueArguments(level) })
    await channel.bindQueue(name, name, '', { 'x-match': 'all', [levelHeader(level)]: '1' })
  }
}

function belowOf(level: number): string {
  return level === 0 ? sharedNames.due : delayName(level - 1)
}

/** Nothing is lost between two levels: a message leaves its queue when the next one has confirmed it. */
function delayQueueArguments(level: number): Readonly<Record<string, unknown>> {
  return {
    'x-queue-type': 'quorum',
    'x-message-ttl': waitMsOf(level),
    'x-dead-letter-exchange': belowOf(level),
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  }
}
