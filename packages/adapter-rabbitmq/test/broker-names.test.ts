import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  delayName,
  lockName,
  orderedQueueName,
  requeueKey,
  sharedNames,
  slots,
  streamName,
  topicNamePattern,
  unorderedQueueName,
} from '../src/broker-names.ts'
import { routingKeys } from '../src/buckets.ts'

const topic = fc.stringMatching(/^[\w][\w.-]{0,12}$/).filter(name => topicNamePattern.test(name))
const group = fc.stringMatching(/^[\w.-]{1,12}$/)

describe('names at the broker', () => {
  it('gives no two things one name', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(topic, group), { maxLength: 8 }), fc.nat(127), (pairs, index) => {
        const owners = new Map<string, string>()
        const claim = (name: string, owner: string): void => {
          expect(owners.get(name) ?? owner).toBe(owner)
          owners.set(name, owner)
        }
        for (const name of Object.values(sharedNames)) claim(name, `shared ${name}`)
        claim(delayName(3), 'delay 3')
        for (const [t, g] of pairs) {
          claim(t, `exchange ${t}`)
          claim(streamName(t), `stream ${t}`)
          claim(unorderedQueueName(t, g), JSON.stringify(['unordered', t, g]))
          claim(lockName(t, g), JSON.stringify(['lock', t, g]))
          for (const slot of slots) claim(orderedQueueName(t, g, slot, index), JSON.stringify([slot, index, t, g]))
        }
      }),
    )
  })

  it('sends no delayed message to a topic that was meant for a queue', () => {
    fc.assert(
      fc.property(topic, topic, group, (one, other, g) => {
        const pattern = new RegExp(`^${one.replaceAll('.', '\\.')}\\.[^.]*$`)
        expect(pattern.test(requeueKey(unorderedQueueName(other, g)))).toBe(false)
        expect(pattern.test(routingKeys(one)[5]!)).toBe(true)
      }),
    )
  })

  it('refuses what RabbitMQ keeps for itself, and what would not leave room', () => {
    for (const name of ['amq.topic', 'with:colon', 'with space', '*.orders', '#', '', 'x'.repeat(141)]) {
      expect(topicNamePattern.test(name)).toBe(false)
    }
    for (const name of ['orders', 'order.created', 'Order_2', 'orders.inventory.dead', 'x'.repeat(140)]) {
      expect(topicNamePattern.test(name)).toBe(true)
    }
  })
})
