import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { type Contender, payload, publishSingly, type Prepared, type Work } from '../contender.ts'

const unconfirmed = 500
const prefetch = 100

/** amqplib used well: one confirm channel with a window, and the usual loop of one acknowledgement a message. */
export const contender: Contender = {
  name: 'amqplib 2.3.1',
  measures: {
    async publish(work) {
      const { channel, ...rest } = await open(work)
      return { ...rest, run: () => publishAll(channel, work, unconfirmed) }
    },
    async 'publish-singles'(work) {
      const { channel, ...rest } = await open(work)
      return {
        ...rest,
        run: () =>
          publishSingly(
            work.messages,
            index =>
              new Promise((resolve, reject) => {
                publishOne(channel, work.topic, index, error => (error === null ? resolve(undefined) : reject(error)))
              }),
          ),
      }
    },
    consume,
  },
}

async function consume(work: Work): Promise<Prepared> {
  const { connection, channel, close } = await open(work)
  await publishAll(channel, work, unconfirmed)
  const consumer = await connection.createChannel()
  await consumer.prefetch(prefetch)
  let handled = 0
  let total = 0
  return {
    async run() {
      await new Promise<void>((resolve, reject) => {
        const consuming = consumer.consume(work.topic, message => {
          if (message === null) return reject(new Error('the broker ended the consumer'))
          total += (JSON.parse(String(message.content)) as { total: number }).total
          consumer.ack(message)
          if (++handled === work.messages) resolve()
        })
        consuming.catch(reject)
      })
      // Closing waits until the broker has all acknowledgements.
      await consumer.close()
    },
    verify: async () => (total === (work.messages * (work.messages - 1)) / 2 ? handled : 0),
    close,
  }
}

async function publishAll(channel: ConfirmChannel, { topic, messages }: Work, window: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let sent = 0
    let confirmed = 0
    const onConfirm = (error: unknown): void => {
      if (error !== null) return reject(error)
      if (++confirmed === messages) return resolve()
      if (sent < messages) publishOne(channel, topic, sent++, onConfirm)
    }
    while (sent < Math.min(window, messages)) publishOne(channel, topic, sent++, onConfirm)
  })
}

function publishOne(channel: ConfirmChannel, queue: string, index: number, onConfirm: (error: unknown) => void): void {
  const event = payload(index)
  channel.publish(
    '',
    queue,
    Buffer.from(JSON.stringify(event)),
    {
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
      messageId: event.id,
      headers: {
        'cloudEvents:specversion': '1.0',
        'cloudEvents:id': event.id,
        'cloudEvents:type': 'order.created',
        'cloudEvents:source': 'order',
      },
    },
    onConfirm,
  )
}

interface Open {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  readonly verify: () => Promise<number>
  readonly close: () => Promise<void>
}

async function open({ url, topic }: Work): Promise<Open> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(topic, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  return {
    connection,
    channel,
    async verify() {
      // The count of a quorum queue follows its log.
      for (let polls = 0; polls < 100; polls++) {
        const { messageCount } = await channel.checkQueue(topic)
        if (messageCount > 0 && polls > 0) return messageCount
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      return 0
    },
    async close() {
      await channel.deleteQueue(topic)
      await connection.close()
    },
  }
}
