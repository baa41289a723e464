import { EventEmitter } from 'node:events'
import { IllegalOperationError, type Channel, type ConsumeMessage, type Message } from 'amqplib'
import { virtualClock, type VirtualClock } from '@mekong/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Delivery } from '../src/consume/delivery.ts'
import type { QueueReader } from '../src/consume/queue-reader.ts'
import { ReaderChannel } from '../src/consume/reader-channel.ts'

/** Answers as the broker does: an acknowledgement of what is not outstanding ends the channel. */
class Broker extends EventEmitter {
  readonly outstanding = new Set<number>()
  readonly frames: string[] = []
  /** As amqplib from the moment that a channel or connection is being closed. */
  isEnding = false

  deliver(tag: number): void {
    this.outstanding.add(tag)
  }

  ack({ fields: { deliveryTag } }: Message, multiple = false): void {
    this.#write()
    if (!this.outstanding.has(deliveryTag)) throw new Error(`unknown delivery tag ${deliveryTag}`)
    this.frames.push(`ack ${deliveryTag}${multiple ? ' and before' : ''}`)
    for (const tag of this.outstanding)
      if (multiple ? tag <= deliveryTag : tag === deliveryTag) this.outstanding.delete(tag)
  }

  reject({ fields: { deliveryTag } }: Message): void {
    this.#write()
    this.outstanding.delete(deliveryTag)
    this.frames.push(`reject ${deliveryTag}`)
  }

  nack({ fields: { deliveryTag } }: Message): void {
    this.#write()
    this.outstanding.delete(deliveryTag)
    this.frames.push(`nack ${deliveryTag}`)
  }

  async close(): Promise<void> {
    this.frames.push('close')
    this.emit('close')
  }

  #write(): void {
    if (this.isEnding) throw new IllegalOperationError('Channel closing')
  }
}

interface Scene {
  readonly broker: Broker
  readonly clock: VirtualClock
  readonly channel: ReaderChannel
  readonly deliver: (count: number) => readonly Delivery[]
}

function scene(): Scene {
  const broker = new Broker()
  const clock = virtualClock()
  const channel = new ReaderChannel(broker as unknown as Channel, clock)
  const reader = { partition: { topic: 'orders', id: 'q', epoch: 1 } } as QueueReader
  let tag = 0
  return {
    broker,
    clock,
    channel,
    deliver: count =>
      Array.from({ length: count }, () => {
        const message = { fields: { deliveryTag: ++tag }, properties: {}, content: Buffer.alloc(0) } as ConsumeMessage
        const delivery = new Delivery(reader, message, channel)
        broker.deliver(tag)
        channel.received(delivery)
        return delivery
      }),
  }
}

describe('acknowledgements of a channel', () => {
  it('acknowledges a contiguous beginning with one frame', async () => {
    const { broker, clock, channel, deliver } = scene()
    for (const delivery of deliver(10)) channel.acknowledge(delivery)
    expect(broker.frames).toEqual([])
    await clock.advance(5)
    expect(broker.frames).toEqual(['ack 10 and before'])
  })

  it('withholds nothing behind a slow message', async () => {
    const { broker, clock, channel, deliver } = scene()
    const [slow, ...others] = deliver(4)
    for (const delivery of others) channel.acknowledge(delivery)
    await clock.advance(5)
    expect(broker.frames).toEqual(['ack 2', 'ack 3', 'ack 4'])
    channel.acknowledge(slow!)
    await clock.advance(5)
    expect(broker.frames.at(-1)).toBe('ack 1 and before')
    expect(broker.outstanding.size).toBe(0)
  })

  it('waits neither for time nor for company when there are many', () => {
    const { broker, channel, deliver } = scene()
    for (const delivery of deliver(64)) channel.acknowledge(delivery)
    expect(broker.frames).toEqual(['ack 64 and before'])
  })

  it('sends what is settled before it closes', async () => {
    const { broker, channel, deliver } = scene()
    const [first, second] = deliver(2)
    channel.acknowledge(second!)
    await channel.close()
    expect(broker.frames).toEqual(['ack 2', 'close'])
    expect(channel.first).toBe(first)
  })

  it('says nothing on a channel that is gone', async () => {
    const { broker, clock, channel, deliver } = scene()
    const [first, second] = deliver(2)
    channel.acknowledge(first!)
    broker.emit('close')
    channel.acknowledge(second!)
    await clock.advance(10)
    expect(broker.frames).toEqual([])
  })

  it('says nothing while it closes, when amqplib throws at whoever writes', async () => {
    const { broker, clock, channel, deliver } = scene()
    const [first, second] = deliver(2)
    broker.isEnding = true
    const closing = channel.close()
    expect(channel.isOpen).toBe(false)
    channel.acknowledge(first!)
    channel.giveBack(second!, true)
    await clock.advance(5)
    await closing
    expect(broker.frames).toEqual(['close'])
  })

  it('survives a channel that ends without having said so yet', async () => {
    const { broker, clock, channel, deliver } = scene()
    const [first, second] = deliver(2)
    broker.isEnding = true
    channel.acknowledge(first!)
    await clock.advance(5)
    channel.giveBack(second!, false)
    expect(channel.isOpen).toBe(false)
    expect(broker.frames).toEqual([])
  })

  it('rejects what was tried, so that it counts, and only puts back what was not', () => {
    const { broker, channel, deliver } = scene()
    const [tried, untouched] = deliver(2)
    channel.giveBack(tried!, true)
    channel.giveBack(untouched!, false)
    expect(broker.frames).toEqual(['reject 1', 'nack 2'])
  })

  it('never acknowledges a tag twice or one that is unsettled, in whatever order settlements come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(), { maxLength: 300 }),
        fc.array(fc.nat(3), { maxLength: 300 }),
        async (picks, turns) => {
          const { broker, clock, channel, deliver } = scene()
          const open: Delivery[] = []
          const settled = new Set<number>()
          for (const [at, pick] of picks.entries()) {
            open.push(...deliver(turns[at] ?? 1))
            if (open.length === 0) continue
            const [delivery] = open.splice(pick % open.length, 1)
            settled.add(delivery!.tag)
            channel.acknowledge(delivery!)
            if (pick % 5 === 0) await clock.advance(5)
          }
          await clock.advance(5)
          expect([...broker.outstanding].toSorted((a, b) => a - b)).toEqual(
            open.map(({ tag }) => tag).toSorted((a, b) => a - b),
          )
          expect(channel.unsettled).toBe(open.length)
        },
      ),
    )
  })
})
