import { messageOf } from '../error.ts'
import type { PreparedEvent } from '../event/event.ts'
import { reasonOf } from './holding.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

const longestReason = 500

/** A dead event as it came, and beside it why it is dead and where it stood. */
export function deadLetter(subscription: Subscription, work: Work, error: unknown, topic: string): PreparedEvent {
  const { envelope, message, attempts } = work
  return {
    id: envelope.attributes.id,
    type: envelope.attributes.type,
    topic,
    key: message.key,
    headers: {
      ...Object.fromEntries(message.headers.entries()),
      'mekong-dead-subscription': subscription.name,
      'mekong-dead-code': reasonOf(error).code,
      'mekong-dead-reason': messageOf(error)
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, longestReason),
      'mekong-dead-attempts': String(attempts),
      'mekong-dead-position': `${message.partition.id}/${message.position}`,
    },
    body: message.body,
  }
}

/**
 * The letter as it is, and what to send in place of it where it can never be taken: what others publish may fill a message
 * to the last byte, and the letter says more. First in two halves, then these without the key and the headers that it came with.
 */
export function formsOf(letter: PreparedEvent): readonly (readonly PreparedEvent[])[] {
  return [[letter], halvesOf(letter), halvesOf(withoutHeaders(letter))]
}

/** Each with an id of its own, or the second would be a duplicate of the first. */
function halvesOf(letter: PreparedEvent): readonly PreparedEvent[] {
  const middle = Math.ceil(letter.body.byteLength / 2)
  return [letter.body.subarray(0, middle), letter.body.subarray(middle)].map((body, index) => {
    const part = index + 1
    const id = letter.headers['ce-id']
    const headers = { ...letter.headers, 'mekong-dead-part': `${part}/2` }
    return { ...letter, body, headers: id === undefined ? headers : { ...headers, 'ce-id': `${id}/${part}` } }
  })
}

function withoutHeaders(letter: PreparedEvent): PreparedEvent {
  const own = Object.entries(letter.headers).filter(([name]) => name.startsWith('mekong-dead-'))
  const left = Object.keys(letter.headers).length - own.length
  return {
    ...letter,
    key: undefined,
    headers: { ...Object.fromEntries(own), 'mekong-dead-headers-left-out': String(left) },
  }
}
