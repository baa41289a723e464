import type { ChannelModel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { priorityOf, rendezvous } from '../src/consume/priority.ts'

const broker = (version: string): ChannelModel => ({ connection: { serverProperties: { version } } }) as ChannelModel

describe('priorities', () => {
  it('are asked of RabbitMQ 4 and later, where the active consumer follows them', () => {
    expect(priorityOf('m', 'q', broker('3.13.7'))).toBeUndefined()
    expect(priorityOf('m', 'q', broker('3.10.8'))).toBeUndefined()
    expect(priorityOf('m', 'q', broker('4.1.0'))).toBe(rendezvous('m', 'q'))
    expect(priorityOf('m', 'q', broker('10.0.0'))).toBe(rendezvous('m', 'q'))
  })

  it('spread the queues of many groups over their members', () => {
    const members = ['inventory-1a2b', 'inventory-3c4d', 'inventory-5e6f']
    const counts = new Map(members.map(member => [member, 0]))
    const queues = Array.from({ length: 600 }, (_, index) => `topic-${Math.floor(index / 8)}:inventory:a${index % 8}`)
    for (const queue of queues) {
      const winner = members.reduce((best, one) => (rendezvous(one, queue) > rendezvous(best, queue) ? one : best))
      counts.set(winner, counts.get(winner)! + 1)
    }
    for (const count of counts.values()) expect(count).toBeGreaterThan(140)
  })

  it('leave a queue with its member when another member comes that wants it less', () => {
    const priority = rendezvous('inventory-1a2b', 'orders:inventory:a0')
    expect(rendezvous('inventory-1a2b', 'orders:inventory:a0')).toBe(priority)
    expect(priority).toBeGreaterThanOrEqual(0)
    expect(priority).toBeLessThan(32_768)
  })
})
