import { Bus, type BusInstance, handlerFor, type Logger } from '@node-ts/bus-core'
import busRabbitMq from '@node-ts/bus-rabbitmq'
import { connect } from 'amqplib'
import { callers, publishSingly } from '../callers.ts'
import type { Contender, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload } from '../payload.ts'
import { createTally } from '../tally.ts'
import { prefetch, unconfirmed } from './queue.ts'

/** One bus for publishing and handling. It takes one message a request from the queue, so many handlers ask at once. */
export const contender: Contender = {
  name: withVersion('@node-ts/bus', '@node-ts/bus-core'),
  measures: {
    publish: work => publish(work, unconfirmed),
    'publish-singles': work => publish(work, callers),
    consume,
  },
}

async function publish(work: Work, callersAtOnce: number): Promise<Prepared> {
  const Event = eventOf(work)
  const bus = await open(work, Event, () => undefined)
  const connection = await connect(work.url)
  const channel = await connection.createChannel()
  return {
    async run() {
      await publishSingly(
        work.messages,
        event => bus.publish(new Event(event), { attributes: attributes(event, work.topic, '') }),
        callersAtOnce,
      )
      // It hears of no confirmation, so the time runs until the broker has everything.
      let stored = 0
      while (stored < work.messages) stored = (await channel.checkQueue(work.topic)).messageCount
    },
    async close() {
      await bus.dispose()
      await connection.close()
    },
  }
}

async function consume(work: Work): Promise<Prepared> {
  const { handle, all } = createTally(work.messages)
  const bus = await open(work, eventOf(work), handle)
  return {
    async run() {
      await bus.start()
      await all
      await bus.dispose()
    },
    close: () => Promise.resolve(),
  }
}

type EventClass = new (event?: Payload) => Payload & { readonly $name: string; readonly $version: number }

function eventOf({ topic }: Work): EventClass {
  return class implements Payload {
    readonly $name: string = `${topic}.created`
    readonly $version: number = 1
    readonly id!: string
    readonly key!: string
    readonly total!: number
    readonly note!: string

    constructor(event?: Payload) {
      Object.assign(this, event)
    }
  }
}

async function open(
  { url, topic }: Work,
  Event: EventClass,
  handle: (event: Payload) => unknown,
): Promise<BusInstance> {
  const transport = new busRabbitMq.RabbitMqTransport({
    queueName: topic,
    deadLetterQueueName: `${topic}.dead`,
    // Its client asks for frames that are smaller than what RabbitMQ 4 allows, unless told.
    connectionString: `${url}?frameMax=131072`,
  })
  const bus = Bus.configure()
    .withTransport(transport)
    .withConcurrency(prefetch)
    .withLogger(() => silent)
    .withHandler(handlerFor(Event, async event => void (await handle(event))))
    .build()
  await bus.initialize()
  return bus
}

const ignore = (): void => undefined
const silent: Logger = {
  debug: ignore,
  trace: ignore,
  info: ignore,
  warn: ignore,
  error: console.error,
  fatal: console.error,
}
