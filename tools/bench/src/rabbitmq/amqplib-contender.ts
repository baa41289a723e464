import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage } from 'amqplib'
import { publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { attributes, payload, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import type { Layout } from './amqplib-layout.ts'
import { prefetch, unconfirmed } from './queue.ts'

/** amqplib used well: one confirm channel with a window, and the usual loop of one acknowledgement a message. */
export function amqplibOn(name: string, layout: Layout): Contender {
  return {
    name,
    measures: {
      async publish(work) {
        const { send, close } = await openPublisher(work, layout)
        return { close, run: () => publishAll(work.messages, send) }
      },
      async 'publish-singles'(work) {
        const { send, close } = await openPublisher(work, layout)
        return { close, run: () => publishSingly(work.messages, event => confirmed(event, send)) }
      },
      consume: work => consume(work, layout),
    },
  }
}

type Send = (event: Payload, onConfirm: (error: unknown) => void) => void

async function publishAll(messages: number, send: Send): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let sent = 0
  let confirmedCount = 0
  const onConfirm = (error: unknown): void => {
    if (error !== null) return reject(error)
    if (++confirmedCount === messages) return resolve()
    if (sent < messages) send(payload(sent++), onConfirm)
  }
  while (sent < Math.min(unconfirmed, messages)) send(payload(sent++), onConfirm)
  await promise
}

function confirmed(event: Payload, send: Send): Promise<void> {
  return new Promise((resolve, reject) => {
    send(event, error => (error === null ? resolve() : reject(error)))
  })
}

async function consume(work: Work, layout: Layout): Promise<Prepared> {
  const { connection, queues } = await open(work, layout)
  const channel = await connection.createChannel()
  await channel.prefetch(prefetch)
  const { handle, all } = createTally(work.messages)
  const onMessage = (message: ConsumeMessage | null): void => {
    if (message === null) throw new Error('the broker ended the consumer')
    void handle(JSON.parse(message.content.toString()) as Payload).then(() => channel.ack(message))
  }
  return {
    async run() {
      for (const queue of queues) await channel.consume(queue, onMessage)
      await all
      // Answered after everything that was sent before.
      await channel.close()
    },
    close: () => connection.close(),
  }
}

async function openPublisher(work: Work, layout: Layout): Promise<{ send: Send; close: () => Promise<void> }> {
  const { connection, channel } = await open(work, layout)
  const send: Send = (event, onConfirm) => {
    const { exchange, routingKey } = layout.routeOf(work.topic, event)
    const headers = attributes(event, work.topic, 'cloudEvents:')
    const options = { persistent: true, mandatory: true, contentType: 'application/json', messageId: event.id, headers }
    channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(event)), options, onConfirm)
  }
  return { send, close: () => connection.close() }
}

interface Open {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  readonly queues: readonly string[]
}

async function open({ url, topic }: Work, layout: Layout): Promise<Open> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  return { connection, channel, queues: await layout.declare(channel, topic) }
}
