import { EventEmitter } from 'node:events'
import type { ChannelModel, ConsumeMessage } from 'amqplib'
import { virtualClock, type VirtualClock } from '@mekong/testing'
import type { Incoming, Sink } from '@mekong/core/driver'
import { describe, expect, it } from 'vitest'
import type { SupervisedConnection } from '../src/connection/supervised-connection.ts'
import { QueueReader } from '../src/consume/queue-reader.ts'
import { queueSource } from '../src/consume/source.ts'

type Receive = (message: ConsumeMessage | null) => void

/** One channel of a broker that answers as it is told. */
class FakeChannel extends EventEmitter {
  receive: Receive = () => {}
  isClosed = false

  async prefetch(): Promise<void> {}

  ack(): void {}

  async close(): Promise<void> {
    this.end()
  }

  end(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.emit('close')
  }

  deliver(deliveryTag: number): void {
    const fields = { deliveryTag, exchange: 'orders', routingKey: 'orders.1', redelivered: false, consumerTag: 't' }
    this.receive({ fields, properties: { headers: {} }, content: Buffer.from('') } as unknown as ConsumeMessage)
  }
}

/** What one channel after the other answers when it is asked to consume. */
type Answer = (channel: FakeChannel) => void

interface Scene {
  readonly reader: QueueReader
  readonly clock: VirtualClock
  readonly channels: FakeChannel[]
  readonly messages: Incoming[]
  readonly lost: Incoming[]
  readonly troubles: unknown[]
  readonly gone: QueueReader[]
  readonly answers: Answer[]
  connect(): ChannelModel
}

function scene(): Scene {
  const clock = virtualClock()
  const connection = { current: undefined as ChannelModel | undefined }
  const channels: FakeChannel[] = []
  const messages: Incoming[] = []
  const lost: Incoming[] = []
  const troubles: unknown[] = []
  const gone: QueueReader[] = []
  const answers: Answer[] = []
  const createChannel = async (): Promise<FakeChannel & { consume: unknown }> => {
    const channel = new FakeChannel()
    channels.push(channel)
    const consume = async (_: string, receive: Receive): Promise<{ consumerTag: string }> => {
      channel.receive = receive
      answers.shift()?.(channel)
      return { consumerTag: `tag-${channels.length}` }
    }
    return Object.assign(channel, { consume })
  }
  const sink = {
    assigned: async () => {},
    messages: (batch: readonly Incoming[]) => void messages.push(...batch),
    lost: (batch: readonly Incoming[]) => void lost.push(...batch),
  } as unknown as Sink
  const reader = new QueueReader({
    source: queueSource({ topic: 'orders', queue: 'orders:inventory', place: undefined }),
    member: 'one',
    connection: connection as unknown as SupervisedConnection,
    prefetch: 10,
    sink,
    clock,
    nextEpoch: () => 1,
    onGone: one => gone.push(one),
    onDrained: () => {},
    onTrouble: error => troubles.push(error),
  })
  return {
    reader,
    clock,
    channels,
    messages,
    lost,
    troubles,
    gone,
    answers,
    connect() {
      const model = { createChannel, connection: { serverProperties: { version: '4.1.0' } } }
      connection.current = model as unknown as ChannelModel
      return connection.current
    },
  }
}

const refuse: Answer = () => {
  throw Object.assign(new Error('resource locked'), { code: 405 })
}

const nothingHere: Answer = () => {
  throw Object.assign(new Error('no queue'), { code: 404 })
}

/** Alive: what the broker delivers on its last channel arrives. */
async function expectAlive({ channels, messages, clock }: Scene): Promise<void> {
  const before = messages.length
  channels.at(-1)!.deliver(1)
  await clock.advance(0)
  expect(messages.length).toBe(before + 1)
}

describe('a reader of a queue', () => {
  it('consumes anew when its channel ends in one breath with the answer that it consumes', async () => {
    const one = scene()
    one.answers.push(channel => channel.end())
    const opened = one.reader.open(one.connect())
    await one.clock.advance(100)
    await opened
    expect(one.channels).toHaveLength(2)
    await expectAlive(one)
  })

  it('consumes on a new connection at once when it was waiting to try again on the one before', async () => {
    const one = scene()
    one.answers.push(refuse)
    void one.reader.open(one.connect()).catch(() => undefined)
    await one.clock.advance(0)
    expect(one.troubles).toHaveLength(1)
    await one.reader.open(one.connect())
    expect(one.channels).toHaveLength(2)
    await expectAlive(one)
  })

  it('opens one channel only, however often it is asked to', async () => {
    const one = scene()
    const model = one.connect()
    await Promise.all([one.reader.open(model), one.reader.open(model), one.reader.open(model)])
    expect(one.channels).toHaveLength(1)
  })

  it('says that it is gone when its queue is', async () => {
    const one = scene()
    one.answers.push(nothingHere)
    await one.reader.open(one.connect())
    expect(one.gone).toEqual([one.reader])
  })

  describe('that is looked after', () => {
    const delivering = { messageCount: 5, consumerCount: 1 }

    it('consumes anew where the broker has a queue without a consumer, at the second look', async () => {
      const one = scene()
      await one.reader.open(one.connect())
      await one.reader.looked({ messageCount: 0, consumerCount: 0 })
      expect(one.channels).toHaveLength(1)
      await one.reader.looked({ messageCount: 0, consumerCount: 0 })
      expect(one.channels).toHaveLength(2)
      await expectAlive(one)
    })

    it('consumes anew where there is something to deliver and nothing comes', async () => {
      const one = scene()
      await one.reader.open(one.connect())
      await one.reader.looked(delivering)
      await one.reader.looked(delivering)
      expect(one.channels).toHaveLength(2)
    })

    it('leaves alone what delivers, is busy, is paused, or has nothing to deliver', async () => {
      const one = scene()
      await one.reader.open(one.connect())
      const look = async (): Promise<void> => {
        await one.reader.looked(delivering)
        await one.reader.looked(delivering)
      }
      one.reader.pause()
      await look()
      one.reader.resume()
      await one.reader.looked(delivering)
      one.channels[0]!.deliver(1)
      await look()
      one.reader.acknowledge(one.messages[0] as never)
      await one.reader.looked({ messageCount: 0, consumerCount: 1 })
      await one.reader.looked({ messageCount: 0, consumerCount: 1 })
      expect(one.channels).toHaveLength(1)
      expect(one.lost).toEqual([])
    })

    it('is gone where its queue is, although nobody cancelled it', async () => {
      const one = scene()
      await one.reader.open(one.connect())
      await one.reader.looked(undefined)
      expect(one.gone).toEqual([one.reader])
    })
  })
})
