import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import { publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, payload, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { prefetch, quorumQueue, unconfirmed } from './queue.ts'

/** amqplib used well: one confirm channel with a window, and the usual loop of one acknowledgement a message. */
export const contender: Contender = {
  name: withVersion('amqplib'),
  measures: {
    async publish(work) {
      const { channel, close } = await open(work)
      return { close, run: () => publishAll(channel, work) }
    },
    async 'publish-singles'(work) {
      const { channel, close } = await open(work)
      return { close, run: () => publishSingly(work.messages, event => publishConfirmed(channel, work.topic, event)) }
    },
    consume,
  },
}

async function publishAll(channel: ConfirmChannel, { topic, messages }: Work): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let sent = 0
  let confirmed = 0
  const onConfirm = (error: unknown): void => {
    if (error !== null) return reject(error)
    if (++confirmed === messages) return resolve()
    if (sent < messages) publishOne(channel, topic, payload(sent++), onConfirm)
  }
  while (sent < Math.min(unconfirmed, messages)) publishOne(channel, topic, payload(sent++), onConfirm)
  await promise
}

function publishConfirmed(channel: ConfirmChannel, queue: string, event: Payload): Promise<void> {
  return new Promise((resolve, reject) => {
    publishOne(channel, queue, event, error => (error === null ? resolve() : reject(error)))
  })
}

function publishOne(channel: ConfirmChannel, queue: string, event: Payload, onConfirm: (error: unknown) => void): void {
  const headers = attributes(event, queue, 'cloudEvents:')
  const options = { persistent: true, mandatory: true, contentType: 'application/json', messageId: event.id, headers }
  channel.publish('', queue, Buffer.from(JSON.stringify(event)), options, onConfirm)
}

async function consume(work: Work): Promise<Prepared> {
  const { connection, close } = await open(work)
  const channel = await connection.createChannel()
  await channel.prefetch(prefetch)
  const { handle, all } = createTally(work.messages)
  return {
    async run() {
      await channel.consume(work.topic, message => {
        if (message === null) throw new Error('the broker ended the consumer')
        void handle(JSON.parse(message.content.toString()) as Payload).then(() => channel.ack(message))
      })
      await all
      // Answered after everything that was sent before.
      await channel.close()
    },
    close,
  }
}

interface Open {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  readonly close: () => Promise<void>
}

async function open({ url, topic }: Work): Promise<Open> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(topic, quorumQueue)
  return { connection, channel, close: () => connection.close() }
}
